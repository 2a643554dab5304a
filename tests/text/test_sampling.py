"""Sampling: greedy at temperature 0, repeatable by its seed, warmed by the prompt."""

from functools import partial

import numpy as np
import pytest
import torch

from ostinato import unroll
from ostinato.errors import ArgumentError
from ostinato.text import (
    Corpus,
    CorpusSettings,
    LanguageModel,
    ModelSettings,
    SampleSettings,
    sample,
    stream,
    text,
    what_next,
)
from ostinato.text.sampling import draw, read
from ostinato.text.tokenizer import BOS, EOS, UNKNOWN


def greedy(model: LanguageModel, ids: list[int], length: int) -> list[int]:
    """The definition: the whole sequence run anew for every token."""
    for _ in range(length):
        scores, _ = unroll(model.eval(), torch.tensor(ids)[:, None])
        scores = scores[-1, 0].clone()
        scores[[BOS, UNKNOWN]] = -torch.inf
        ids = [*ids, int(scores.argmax())]
    return ids


def force(model: LanguageModel, token: int) -> None:
    """Let the model always say this token."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.output.module.bias[token] = 100


def test_temperature_0_is_greedy(model: LanguageModel, corpus: Corpus) -> None:
    prompt = corpus.tokenizer.encode("the c").tolist()
    ids = greedy(model, [BOS, *prompt], 30)
    wanted = corpus.tokenizer.decode(ids[: ids.index(EOS)] if EOS in ids else ids)
    settings = SampleSettings(temperature=0, length=30)
    assert sample(model, corpus.tokenizer, "the c", settings) == wanted


def test_the_prompt_warms_the_state(model: LanguageModel, corpus: Corpus) -> None:
    tokens = corpus.train[:700]  # longer than a piece
    scores, state = read(model, np.asarray(tokens))
    ys, wanted = unroll(model, torch.from_numpy(tokens.astype(np.int64))[:, None])
    torch.testing.assert_close(scores, ys[-1, 0])
    torch.testing.assert_close(state, wanted)


def test_the_seed_repeats_a_text(model: LanguageModel, corpus: Corpus) -> None:
    def write(seed: int | None) -> str:
        return sample(model, corpus.tokenizer, "the", SampleSettings(length=50, seed=seed))

    before = torch.get_rng_state()
    assert write(1) == write(1)
    assert len({write(1), write(2), write(None), write(None)}) == 4
    assert torch.equal(torch.get_rng_state(), before)


def test_the_prompt_comes_first_even_when_unknown(model: LanguageModel, corpus: Corpus) -> None:
    settings = SampleSettings(length=5, seed=0)
    assert sample(model, corpus.tokenizer, "Ж!", settings).startswith("Ж!")


def test_without_a_prompt_it_begins_on_a_new_line(model: LanguageModel, corpus: Corpus) -> None:
    settings = SampleSettings(length=20, seed=3)
    begun = sample(model, corpus.tokenizer, "\n", settings)
    assert sample(model, corpus.tokenizer, None, settings) == begun.removeprefix("\n")


def test_a_stream_gives_a_token_at_a_time(model: LanguageModel, corpus: Corpus) -> None:
    settings = SampleSettings(length=12, seed=0)
    pieces = list(stream(model.train(), corpus.tokenizer, "the", settings))
    assert pieces[0] == "the"
    assert all(len(piece) == 1 for piece in pieces[1:])
    assert "".join(pieces) == sample(model, corpus.tokenizer, "the", settings)
    assert model.training


def test_an_end_ends_the_text(model: LanguageModel, corpus: Corpus) -> None:
    force(model, EOS)
    assert sample(model, corpus.tokenizer, "the", SampleSettings(length=50)) == "the"


def test_documents_begin_anew(model: LanguageModel, corpus: Corpus) -> None:
    settings = SampleSettings(length=30, temperature=0)
    one = sample(model, corpus.tokenizer, "the", settings)
    three = sample(model, corpus.tokenizer, "the", settings.replace(documents=3))
    assert three == "\n\n".join([one] * 3)  # greedy: the same from the same empty state
    drawn = settings.replace(documents=2, temperature=1.0, seed=0)
    first, second = sample(model, corpus.tokenizer, "the", drawn).split("\n\nthe")
    assert f"the{second}" != first


SPACED = "the cat sat .\nthe dog sat .\n" * 30


@pytest.fixture
def by_lines() -> tuple[LanguageModel, Corpus]:
    corpus = Corpus.build(text(SPACED), CorpusSettings(level="spaced"))
    return LanguageModel(corpus.tokenizer.size, ModelSettings(size=16, embedding=8)), corpus


def test_spaced_text_goes_on_over_line_ends_or_restarts(by_lines) -> None:
    model, corpus = by_lines
    force(model, EOS)
    write = partial(sample, model, corpus.tokenizer, "the")
    assert write(SampleSettings(length=4)) == "the\n\n\n\n"
    assert write(SampleSettings(length=4, documents=2)) == "the\nthe"


def test_spaced_text_begins_after_an_end(by_lines) -> None:
    model, corpus = by_lines
    scores, _ = read(model.eval(), np.array([EOS]))
    wanted = corpus.tokenizer.name(draw(scores, SampleSettings(temperature=0), torch.Generator()))
    written = sample(model, corpus.tokenizer, None, SampleSettings(temperature=0, length=1))
    assert written == wanted.replace("<eos>", "\n")


def test_what_comes_next(model: LanguageModel, corpus: Corpus) -> None:
    model.train()
    found = what_next(model, corpus.tokenizer, "the c", 4)
    assert model.training
    ids = [BOS, *corpus.tokenizer.encode("the c").tolist()]
    scores, _ = unroll(model.eval(), torch.tensor(ids)[:, None])
    likeliest, order = scores[-1, 0].double().softmax(0).sort(descending=True)
    assert [name for name, _ in found] == [corpus.tokenizer.name(int(i)) for i in order[:4]]
    assert [p for _, p in found] == pytest.approx(likeliest[:4].tolist())
    everything = what_next(model, corpus.tokenizer, None, 999)
    assert sum(p for _, p in everything) == pytest.approx(1.0)
    assert {"<bos>", "<eos>", "<unk>", "t"} <= {name for name, _ in everything}


def drawn(scores: list[float], **changes: object) -> set[int]:
    generator = torch.Generator().manual_seed(0)
    settings = SampleSettings(temperature=1.0).replace(**changes)
    # <bos>, <eos> and <unk> first, of which <bos> and <unk> are the likeliest of all.
    padded = torch.tensor([50.0, -50.0, 50.0, *scores])
    return {draw(padded, settings, generator) - 3 for _ in range(300)}


def test_special_tokens_are_not_drawn() -> None:
    assert drawn([0.0, 0.0]) == {0, 1}


def test_top_k_draws_from_the_likeliest() -> None:
    assert drawn([0.0, 1.0, 2.0, 1.5], top_k=2) == {2, 3}
    assert drawn([0.0, 1.0, 2.0, 1.5], top_k=99) == {0, 1, 2, 3}


def test_top_p_draws_from_the_smallest_set_that_reaches_it() -> None:
    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().tolist()
    assert drawn(scores, top_p=0.79) == {0, 1}
    assert drawn(scores, top_p=0.81) == {0, 1, 2}
    assert drawn(scores, top_p=0.0) == {0}


def test_temperature_sharpens() -> None:
    assert drawn([0.0, 1.0], temperature=0.01) == {1}
    for tiny in (1e-300, 1e-320, 5e-324):  # a score over it is more than a float holds
        assert drawn([0.0, 1.0], temperature=tiny) == {1}
    assert drawn([0.0, 1.0], temperature=5.0) == {0, 1}


def test_a_negative_temperature_is_refused() -> None:
    with pytest.raises(ArgumentError, match="temperature: wanted a number of at least 0"):
        SampleSettings(temperature=-1)
