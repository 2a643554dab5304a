"""Rows of the checklist about data: each does what "done looks like" says of it."""

import gzip
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Subset, TensorDataset

from ostinato import cells, chunks, detach, unroll
from ostinato.data import (
    Batch,
    Batches,
    BatchSettings,
    Columns,
    ColumnSettings,
    ImageSettings,
    Samples,
    Sentences,
    SequenceColumns,
    read_mnist,
    read_sentiment140,
    read_treebank,
)
from ostinato.data.bundled import digits
from ostinato.data.problems import (
    InverseSettings,
    adding,
    bells,
    cosine,
    curve,
    drawn_from_pools,
    inverse_direct,
    inverse_fixed,
    inverse_variable,
    permuted,
    read_inverse,
    repeating,
    write_inverse,
)
from ostinato.data.sentiment import TEST, TRAIN


def numbered(count: int) -> Samples:
    return Samples.of(Batch(torch.zeros(1, count), torch.arange(count)))


def test_row_69_pad_discard_roll_over_shuffle_and_subset() -> None:
    samples = numbered(1000)
    made = {
        last: Batches(samples, BatchSettings(batch_size=128, last=last), seed=0)
        for last in ("keep", "drop", "pad", "roll")
    }
    # pad: 8 batches, and the first 24 samples of the epoch are seen twice
    sizes = {last: [len(batch) for batch in each.batches(0)] for last, each in made.items()}
    assert sizes["pad"] == [128] * 8
    seen = torch.cat([batch.targets for batch in made["pad"].batches(0)])
    counts = torch.bincount(seen)
    assert counts.min() == 1
    assert made["pad"].padding == (counts == 2).sum() == 24
    assert set(seen[:24].tolist()) == set((counts == 2).nonzero().flatten().tolist())
    # discard, and to keep the short one
    assert sizes["drop"] == [128] * 7
    assert sizes["keep"] == [*[128] * 7, 104]
    # roll over: what is left of a pass begins the next, and none is lost
    assert sizes["roll"] == [128] * 7
    stream = torch.cat([b.targets for epoch in range(8) for b in made["roll"].batches(epoch)])
    assert all(sorted(each) == list(range(1000)) for each in stream[:7000].view(7, 1000).tolist())
    # another order in each epoch, the same for the same seed
    orders = [torch.cat([b.targets for b in made["keep"].batches(epoch)]) for epoch in range(2)]
    assert not torch.equal(*orders)
    again = Batches(samples, BatchSettings(batch_size=128), seed=0)
    assert torch.equal(torch.cat([b.targets for b in again.batches(1)]), orders[1])
    # a random subset
    subset, _ = samples.split(0.9, seed=1)
    assert len(subset) == 100
    assert len(set(subset.targets.tolist())) == 100


def test_row_69_torch_alone_does_the_same() -> None:
    data, torch_seed = TensorDataset(torch.arange(1000)), torch.Generator().manual_seed(0)

    def sizes(sampler: BatchSampler) -> tuple[list[int], list[int]]:
        batches = [batch.tolist() for (batch,) in DataLoader(data, batch_sampler=sampler)]
        return [len(batch) for batch in batches], list(itertools.chain(*batches))

    padded = BatchSampler([*range(1000), *range(24)], 128, drop_last=False)
    assert sizes(padded)[0] == [128] * 8
    order = RandomSampler(data, generator=torch_seed)
    rolled = BatchSampler(itertools.chain(order, order, order), 128, drop_last=True)
    lengths, stream = sizes(rolled)
    assert len(lengths) == 3000 // 128
    assert sorted(stream[:1000]) == sorted(stream[1000:2000]) == list(range(1000))
    loader = DataLoader(data, 128, shuffle=True, drop_last=True, generator=torch_seed)
    assert [len(batch) for (batch,) in loader] == [128] * 7
    rows = torch.randperm(1000, generator=torch_seed)[:100].tolist()
    assert len(DataLoader(Subset(data, rows), 32)) == 4


def test_row_88_toy_of_the_inverse_function(tmp_path: Path) -> None:
    z = torch.tensor([0.0, 1, 2, 5, 10], dtype=torch.float64)
    wanted = [3.330033, 2.793940, 3.627377, 1.781323, 0.717943]
    torch.testing.assert_close(curve(z).tolist(), wanted, rtol=0, atol=1e-6)

    # the published size and noise; the first 70 % are learned from
    samples = Samples.of(inverse_fixed(200_000, noise=0.1, seed=1))
    train, test = samples[:140_000], samples[140_000:]
    assert (len(train), len(test)) == (140_000, 60_000)
    # the numbers of the author's log; their sampling error is about 0.001
    assert train.steps.mean().item() == pytest.approx(2.8697, abs=0.005)
    assert train.steps.std().item() == pytest.approx(0.9309, abs=0.005)
    assert train.targets.square().mean().item() == pytest.approx(33.3, abs=0.3)

    for make in (inverse_variable, inverse_direct):
        lengths = make(30_000).lengths
        assert lengths is not None
        shares = torch.bincount(lengths) / 30_000
        torch.testing.assert_close(shares[2:], torch.full((3,), 1 / 3), atol=0.01, rtol=0)

    columns = {"fixed": 4, "variable": 6, "direct": 9}
    for kind, number in columns.items():
        path = tmp_path / f"{kind}.csv"
        write_inverse(path, InverseSettings(kind=kind, count=50, noise=0.1, seed=1))
        assert np.loadtxt(path, delimiter=",", skiprows=1).shape == (50, number)
        assert read_inverse(path).per_step == (kind == "direct")


def test_row_89_adding_problem() -> None:
    batch = adding(100_000, 30)
    assert batch.xs.shape == (30, 100_000, 2)
    numbers, marks = batch.xs.unbind(-1)
    assert (marks.sum(0) == 2).all()
    assert ((marks == 1).sum(0) == 2).all()
    assert torch.equal((numbers * marks).sum(0)[:, None], batch.targets)
    assert batch.targets.var().item() == pytest.approx(1 / 6, abs=0.002)
    assert F.mse_loss(torch.ones(100_000, 1), batch.targets).item() == pytest.approx(
        1 / 6, abs=0.002
    )


def learn(model: torch.nn.Module, loss, steps: int, lr: float = 0.02) -> list[float]:
    optimiser, losses = torch.optim.Adam(model.parameters(), lr), []
    for step in range(steps):
        value = loss(step)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        losses.append(value.item())
    return losses


@pytest.mark.parametrize("tokens", [repeating(), permuted(40, 30)], ids=["repeating", "permuted"])
def test_row_90_streams_of_tokens_are_learned(tokens: np.ndarray) -> None:
    size = int(tokens.max()) + 1
    columns = Columns(tokens, ColumnSettings(batch_size=8, bptt=5))
    batches = itertools.chain.from_iterable(columns.batches(epoch) for epoch in itertools.count())
    embedding, cell, head = torch.nn.Embedding(size, 7), cells.Elman(7, 7), torch.nn.Linear(7, size)
    model = torch.nn.ModuleList([embedding, cell, head])
    state = None

    def loss(_: int) -> torch.Tensor:
        nonlocal state
        inputs, targets = next(batches)
        ys, state = unroll(cell, embedding(inputs), state)
        state = detach(state)
        return F.cross_entropy(head(ys).flatten(0, 1), targets.flatten())

    losses = learn(model, loss, 300)
    assert losses[0] > 0.8 * math.log(size)
    assert np.mean(losses[-10:]) < 0.3


def test_row_90_correlated_classification_is_learned() -> None:
    samples = Samples.of(drawn_from_pools(3000))
    train, held_out = samples[:2500], samples[2500:]
    batches = Batches(train, BatchSettings(batch_size=100))
    embedding, cell, head = torch.nn.Embedding(7, 20), cells.GRU(20, 40), torch.nn.Linear(40, 7)

    def loss_of(batch: Batch) -> torch.Tensor:
        _, state = unroll(cell, embedding(batch.xs))
        return F.cross_entropy(head(state), batch.targets)

    made = itertools.chain.from_iterable(batches.batches(epoch) for epoch in range(4))
    learn(torch.nn.ModuleList([embedding, cell, head]), lambda _: loss_of(next(made)), 100, 0.01)
    assert loss_of(held_out.take(torch.arange(500))).item() < 0.8 * math.log(7)


def test_row_90_series() -> None:
    series = cosine()
    np.testing.assert_allclose(series.values[:, 0], np.cos(np.linspace(0, 200, 2000)))
    # windows of ten steps at every offset, and the value after each: torch alone
    windows = torch.from_numpy(series.values[:, 0]).unfold(0, 11, 1)
    assert windows.shape == (1990, 11)
    density = bells().values[:, 2] - bells().values[:, 2].min()
    assert bells().values.shape == (100, 6)
    assert density[:11].argmax() == 5


def test_row_91_contiguous_columns_and_bidirectional() -> None:
    """The loader of A.7: B columns of floor(L / B), shifted by one, or aligned."""
    stream = np.arange(22)
    # every step of it, the last piece short, is two lines on torch
    columns = torch.from_numpy(stream[: 4 * (22 // 4)]).view(4, -1).T
    pieces = list(chunks((columns[:-1], columns[1:]), 3))
    assert columns.shape == (5, 4)
    assert [len(inputs) for inputs, _ in pieces] == [3, 1]
    assert pieces[0][0].tolist() == [[0, 5, 10, 15], [1, 6, 11, 16], [2, 7, 12, 17]]
    assert pieces[1][1].tolist() == [[4, 9, 14, 19]]
    # for training: whole pieces, whose targets may stand in the next column
    settings = ColumnSettings(batch_size=4, bptt=3, shift=False)
    ((inputs, targets),) = Columns(stream, settings).batches(0)
    assert torch.equal(inputs, pieces[0][0])
    assert torch.equal(targets, pieces[0][1])
    ((inputs, targets),) = Columns(stream, settings, ahead=0).batches(0)
    assert torch.equal(inputs, targets)


def test_row_91_many_sequences_with_separators() -> None:
    """Of A.7: sequences one after another in a column, a masked step between them."""
    sequences = [[3, 1, 4, 1], [5, 9], [2, 6, 5], [3, 5, 8, 9]]
    stream = np.concatenate(sequences)
    starts = np.array([0, 4, 6, 9])
    settings = ColumnSettings(batch_size=2, bptt=4, shift=False)
    pieces = list(SequenceColumns(stream, starts, settings).batches(0))
    xs, targets, mask, resets = (
        torch.cat([getattr(piece, name) for piece in pieces]).T
        for name in ("xs", "targets", "mask", "resets")
    )
    # the columns are as long as all steps over the columns, and what a whole sequence adds
    assert xs.shape == (2, 9)
    assert xs.tolist() == [[3, 1, 4, 0, 5, 0, 2, 6, 0], [3, 5, 8, 0, 0, 0, 0, 0, 0]]
    assert targets.tolist() == [[1, 4, 1, 0, 9, 0, 6, 5, 0], [5, 8, 9, 0, 0, 0, 0, 0, 0]]
    assert torch.equal(mask, targets > 0)
    assert resets.nonzero().tolist() == [[0, 0], [0, 4], [0, 6], [1, 0]]

    # a state that is carried through all pieces is that of each sequence alone
    cell, table = cells.GRU(6, 5), torch.randn(10, 6)
    state, found = None, []
    with torch.no_grad():
        for piece in pieces:
            ys, state = unroll(cell, table[piece.xs], state, mask=piece.mask, resets=piece.resets)
            found.append(ys)
        column = torch.cat(found)[:, 0]
        for sequence, start in zip(sequences[:3], (0, 4, 6), strict=True):
            alone, _ = unroll(cell, table[torch.tensor(sequence[:-1])][:, None])
            torch.testing.assert_close(column[start : start + len(sequence) - 1], alone[:, 0])


def test_row_92_penn_treebank(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(9_997)]
    lines = [words[first : first + 20] for first in range(0, len(words), 20)]
    content = "".join(f" {' '.join(line)} \n" for line in [*lines, ["the", "<unk>", "the"]])
    for part, text in (("train", content), ("valid", " the w7 zebra \n"), ("test", " w9 \n")):
        (tmp_path / f"ptb.{part}.txt").write_text(text)
    treebank = read_treebank(tmp_path)
    assert len(treebank.vocabulary) == 10_000
    assert treebank.vocabulary.words[0] == "<eos>"
    assert len(treebank.train) == 9_997 + 3 + 501  # each line end is a token
    assert treebank.vocabulary.decode(treebank.valid) == ["the", "w7", "<unk>", "<eos>"]


def test_row_92_billion_words(tmp_path: Path) -> None:
    path = tmp_path / "news.en-00001-of-00100"
    path.write_text("The first sentence .\nThe other sentence .\n" * 3 + "The last .\n")
    made = Sentences.build([path], tmp_path, min_frequency=3)
    assert made.vocabulary.words[:3] == ("<s>", "</s>", "<unk>")
    assert len(made.starts) == 7
    last = made.vocabulary.decode(made.tokens[made.starts[-1] :])
    assert last == ["<s>", "The", "<unk>", ".", "</s>"]
    assert made.frequencies.sum() == len(made.tokens)
    columns = SequenceColumns(made.tokens, made.starts, ColumnSettings(batch_size=2, bptt=50))
    assert sum(int(piece.mask.sum()) for piece in columns.batches(0)) == len(made.tokens) - 7


def test_row_92_sentiment140(tmp_path: Path) -> None:
    line = '"{}","1","Mon Apr 06 22:19:45 PDT 2009","NO_QUERY","someone","{}"\n'
    tweets = [(0, "so so sad"), (4, "happy"), (2, "a report")] * 8
    (tmp_path / TRAIN).write_text("".join(line.format(*each) for each in tweets))
    (tmp_path / TEST).write_text(line.format(4, "so happy " + "so " * 60))
    made = read_sentiment140(tmp_path)  # frequency 3, 50 tokens, an eighth held out
    assert (len(made.train), len(made.held_out), len(made.test)) == (14, 2, 1)
    assert made.vocabulary.words[:2] == ("<pad>", "<unk>")
    assert set(made.train.targets.tolist()) == {0, 1}
    assert made.test.lengths.tolist() == [50]
    xs, mask = made.train.take(torch.arange(14)).left_padded()
    assert mask[-1].all()
    assert not xs[~mask].any()


def test_row_93_text_pipeline() -> None:
    from ostinato.text import Corpus, CorpusSettings, LanguageModel, ModelSettings, text
    from ostinato.text.tokenizer import BOS, EOS, UNKNOWN

    content = "The cat sat.\nThe dog sat!\nThe cat ran.\n"
    for level in ("char", "word", "bpe"):
        settings = CorpusSettings(level=level, held_out=0.01, vocabulary=300, min_frequency=1)
        corpus = Corpus.build(text(content * 5), settings)
        assert corpus.tokenizer.decode(corpus.tokens) == content * 5
        assert (corpus.tokens[0], corpus.tokens[-1]) == (BOS, EOS)
    # words seen less often than twice are <unk>, in and out
    settings = CorpusSettings(level="word", held_out=0.01, min_frequency=2)
    corpus = Corpus.build(text(content), settings)
    ids = corpus.tokenizer.encode("The dog sat.")
    assert corpus.tokenizer.decode(ids) == "The<unk> sat."
    assert (ids == UNKNOWN).sum() == 1
    # numbers become one-hot vectors or embeddings
    size, xs = corpus.tokenizer.size, torch.from_numpy(ids.astype(np.int64))[:, None]
    one_hot = F.one_hot(xs, size).float()
    assert one_hot.shape == (len(ids), 1, size)
    assert torch.equal(one_hot.argmax(-1), xs)
    for embedding in (0, 8):
        model = LanguageModel(size, ModelSettings(size=16, embedding=embedding))
        assert unroll(model, xs)[0].shape == (len(ids), 1, size)


def write_mnist(folder: Path) -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = (np.arange(60) % 10).astype(np.uint8)
    for part, rows in (("train", slice(50)), ("t10k", slice(50, 60))):
        for name, array in (("images-idx3", images[rows]), ("labels-idx1", labels[rows])):
            sizes = np.array(array.shape, ">u4").tobytes()
            content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(content))
    return images


def test_row_94_mnist_as_a_sequence(tmp_path: Path) -> None:
    images = write_mnist(tmp_path)
    made = read_mnist(tmp_path, ImageSettings(pixels=7))
    batch = made.train.take(torch.arange(50))
    assert batch.xs.shape == (112, 50, 7)
    flat = images[:50].reshape(50, 784).astype(float)
    wanted = (flat - flat.mean(0)) / (flat.std(0) + 1e-5)
    got = batch.xs.transpose(0, 1).reshape(50, 784)
    torch.testing.assert_close(got, torch.from_numpy(wanted).float())
    assert read_mnist(tmp_path).train.take(torch.arange(50)).xs.shape == (28, 50, 28)


def test_row_94_digits_are_learned_within_50_epochs() -> None:
    """On the digits that come with the package; MNIST has the same path, and takes longer."""
    data = digits()
    batches = Batches(data.train, BatchSettings(batch_size=50))
    cell, head = cells.GRU(8, 64), torch.nn.Linear(64, 10)

    def scores(batch: Batch) -> torch.Tensor:
        return head(unroll(cell, batch.xs)[1])

    made = itertools.chain.from_iterable(batches.batches(epoch) for epoch in range(8))
    learn(
        torch.nn.ModuleList([cell, head]),
        lambda _: F.cross_entropy(scores(batch := next(made)), batch.targets),
        8 * len(batches),
        0.01,
    )
    held_out = data.held_out.take(torch.arange(360))
    accuracy = (scores(held_out).argmax(1) == held_out.targets).float().mean()
    assert accuracy >= 0.9
