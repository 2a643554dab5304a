"""The task that a solver trains: its figures, samples, picture, and going on exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ostinato.data import BatchSettings
from ostinato.data.problems import reversed_words
from ostinato.errors import ArgumentError
from ostinato.seq2seq import (
    EncoderDecoder,
    PairData,
    PairSettings,
    Seq2SeqModelSettings,
    Seq2SeqTask,
    alignment,
    draw_alignments,
    evaluate,
    greedy,
)
from ostinato.train import Run, Solver, TrainSettings, split_rows
from same_values import same

SMALL = Seq2SeqModelSettings(size=4, embedding=3, dropout=0.3)
CLOCK = {"seconds", "pairs_per_second"}


def make(**settings) -> Seq2SeqTask:
    data = PairData.split(reversed_words(60, 4), PairSettings(held_out=0.2))
    encoding = data.encoding()
    torch.manual_seed(0)
    model = EncoderDecoder(len(encoding.source), len(encoding.target), SMALL.replace(**settings))
    return Seq2SeqTask(model, data, BatchSettings(batch_size=9, bucket=2))


def test_batches_depend_on_the_epoch_alone() -> None:
    task = make()
    assert len(task) == 6
    assert (task.batch_units, task.longest) == (9, 4)
    for one, two in zip(list(task.batches(3, 0))[4:], task.batches(3, 4), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    seen = torch.cat([batch.lengths for batch in task.batches(0, 0)])
    assert len(seen) == 48


def test_the_loss_is_the_mean_of_all_tokens() -> None:
    task = make(dropout=0.0)
    batch = next(task.batches(0, 0))
    loss, state = task.loss(batch, task.initial_state())
    assert state == ()
    scores = task.model(batch.source, batch.lengths, batch.inputs)
    each = [
        F.cross_entropy(scores[step, row], batch.targets[step, row])
        for row in range(9)
        for step in range(len(scores))
        if batch.targets[step, row] != -100
    ]
    assert loss.item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)


def test_figures_by_hand() -> None:
    task = make()
    pairs = task.encoding.pairs(task.held_out)
    found = evaluate(task.model, pairs)
    assert found.figures() == task.validate()
    assert task.model.training
    task.model.eval()
    nats, right, tokens, exact = 0.0, 0, 0, 0
    for row, (_, target) in enumerate(task.held_out):
        batch = pairs.take(torch.tensor([row]))
        with torch.no_grad():
            scores = task.model(batch.source, None, batch.inputs)[:, 0]
        nats += F.cross_entropy(scores, batch.targets[:, 0], reduction="sum").item()
        right += int((scores.argmax(-1) == batch.targets[:, 0]).sum())
        tokens += len(scores)
        (said,) = greedy(task.model, batch.source, longest=20)
        exact += task.encoding.text(said.tokens) == target
    figures = {"loss": nats / tokens, "accuracy": right / tokens, "exact_match": exact / 12}
    assert found.figures() == pytest.approx(figures, rel=1e-5)


def test_what_cannot_be_said_is_never_right() -> None:
    """A target with a token that was never learned is wrong, even where <unk> is the likeliest."""
    task = make()
    with torch.no_grad():
        task.model.readout.bias[2] = 50.0
    found = evaluate(task.model, task.encoding.pairs([("a", "?"), ("b", "!")]))
    assert found.exact_match == 0


def test_it_learns_until_all_is_right() -> None:
    pairs = [(a + b, b + a) for a in "abc" for b in "abc"]
    data = PairData(pairs, pairs)
    torch.manual_seed(0)
    task = Seq2SeqTask(EncoderDecoder(6, 6, SMALL.replace(size=16, dropout=0.0)), data)
    before = task.validate()
    Solver(task, TrainSettings(steps=60, lr=0.03, validate_every=60)).fit()
    after = task.validate()
    assert before["exact_match"] < 0.2
    assert after["exact_match"] == after["accuracy"] == 1
    assert after["loss"] < 0.1 < before["loss"]


def test_samples_show_source_truth_and_ours_and_leave_chance_alone() -> None:
    task, before = make(), torch.get_rng_state()
    said = task.sample(7).splitlines()
    assert torch.equal(before, torch.get_rng_state())
    assert [line.split()[0] for line in said[:6]] == ["source", "truth", "ours"] * 2
    source, target = task.held_out[0]
    assert said[0] == f"source  {source}"
    assert said[1] == f"truth   {target}"
    assert len(said) == 3 * 4


def test_an_interrupted_run_goes_on_exactly(tmp_path: Path) -> None:
    settings = TrainSettings(steps=14, validate_every=4, sample_every=4)

    def solver(name: str, *, fresh: bool = True) -> Solver:
        run = Run.create("seq2seq", tmp_path / name) if fresh else Run(tmp_path / name)
        made = Solver(make(), settings, run=run)
        torch.manual_seed(3)
        return made

    whole = solver("whole")
    assert whole.fit()
    stopped = solver("parts")
    for _, batch in zip(range(9), stopped.batches(), strict=False):
        stopped.update(batch)
    kept = stopped.snapshot()
    resumed = solver("parts", fresh=False)
    torch.manual_seed(999)  # chance must come from the checkpoint
    resumed.restore(kept)
    assert resumed.progress.step == 9
    assert resumed.fit()
    one, two = whole.snapshot(), resumed.snapshot()
    for snapshot in (one, two):
        snapshot.pop("sizes")
        snapshot.pop("best")  # the second did not look at steps 4 and 8
    assert same(one, two, CLOCK)


def test_the_rows_of_a_batch_can_be_split_among_processes() -> None:
    batch = next(make().batches(0, 0))
    part, share = split_rows(batch, 1, 2)
    assert part.lengths.shape[0] == part.source.shape[1] == part.targets.shape[1] == 5
    assert share == part.wanted.sum()  # tokens, of which the loss is a mean


def test_a_picture_of_the_attention(tmp_path: Path) -> None:
    task = make()
    found = task.conclude(tmp_path)
    assert (tmp_path / "alignment.png").read_bytes().startswith(b"\x89PNG")
    assert "wholly right" in str(found)
    assert found.figures == task.validate()
    weights, tokens = alignment(task.model, task.encoding, "abc", longest=4)
    assert weights.shape == (len(tokens), 3)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(tokens)))
    draw_alignments(tmp_path / "one.png", task.model, task.encoding, [("a" * 80, "b")])
    assert (tmp_path / "one.png").stat().st_size > 1000


def test_no_picture_without_attention(tmp_path: Path) -> None:
    task = make(attention="none")
    task.conclude(tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(ArgumentError, match="wanted one with attention"):
        alignment(task.model, task.encoding, "abc")
