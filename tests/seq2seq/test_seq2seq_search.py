"""Greedy and beam search beside exhaustive enumeration and a search by lists."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from ostinato.errors import ArgumentError
from ostinato.seq2seq import (
    BOS,
    EOS,
    UNKNOWN,
    EncoderDecoder,
    SearchSettings,
    Seq2SeqModelSettings,
    beam_search,
    greedy,
)

LENGTHS = torch.tensor([4, 1, 2, 0, 3])
TOKENS = (3, 4)
SETTINGS = Seq2SeqModelSettings(cell="gru", size=5, embedding=4)


def make(seed: int, tokens: int = 5) -> EncoderDecoder:
    """A model of strong opinions: weights far above those of a new one."""
    torch.manual_seed(seed)
    model = EncoderDecoder(8, tokens, SETTINGS).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2.5)
    return model


def sources() -> Tensor:
    return torch.randint(3, 8, (4, 5), generator=torch.Generator().manual_seed(0))


def chance(model: EncoderDecoder, source: Tensor, tokens: tuple[int, ...]) -> float:
    """The log-probability of tokens and <eos>, for one source [S]."""
    inputs = torch.tensor([BOS, *tokens])[:, None]
    model.eval()
    with torch.no_grad():
        each = model(source[:, None], None, inputs)[:, 0].log_softmax(-1)
    return each.gather(1, torch.tensor([*tokens, EOS])[:, None]).sum().item()


@pytest.mark.parametrize("norm", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_what_enumeration_finds(seed: int, norm: float) -> None:
    model, longest = make(seed), 3
    every = [t for n in range(longest + 1) for t in itertools.product(TOKENS, repeat=n)]
    settings = SearchSettings(beam=len(every) + 1, best=4, length_norm=norm, longest=longest)
    found = beam_search(model, sources(), LENGTHS, settings)
    for row, length in enumerate(LENGTHS.tolist()):
        source = sources()[:length, row]
        chances = {tokens: chance(model, source, tokens) for tokens in every}
        wanted = sorted(every, key=lambda t: chances[t] / (len(t) + 1) ** norm, reverse=True)
        assert [tuple(each.tokens) for each in found[row]] == wanted[:4]
        for each in found[row]:
            wanted_chance = chances[tuple(each.tokens)]
            assert each.log_probability == pytest.approx(wanted_chance, abs=1e-9)


def by_lists(model: EncoderDecoder, source: Tensor, settings: SearchSettings) -> list[list[int]]:
    """The search that `beam_search` describes, one source and one beginning at a time."""
    longest, beams, ended = settings.longest or 0, [(0.0, [BOS])], list[tuple[float, list[int]]]()
    model.eval()
    for number in range(longest + 1):
        candidates = []
        for total, tokens in beams:
            with torch.no_grad():
                scores = model(source[:, None], None, torch.tensor(tokens)[:, None])[-1, 0]
            for token, each in enumerate(scores.log_softmax(-1).tolist()):
                if token not in (BOS, UNKNOWN) and (token == EOS or number < longest):
                    candidates.append((total + each, [*tokens, token]))
        candidates.sort(reverse=True)
        kept = candidates[: settings.beam - len(ended)]
        beams = [each for each in kept if each[1][-1] != EOS]
        done = [each for each in kept if each[1][-1] == EOS]
        ended += [(total / (number + 1) ** settings.length_norm, each) for total, each in done]
    return [tokens[1:-1] for _, tokens in sorted(ended, reverse=True)][: settings.best]


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_a_narrow_beam_is_that_of_the_description(seed: int, beam: int) -> None:
    model = make(seed, tokens=9)
    settings = SearchSettings(beam=beam, best=beam, length_norm=1.0, longest=6)
    found = beam_search(model, sources(), LENGTHS, settings)
    for row, length in enumerate(LENGTHS.tolist()):
        wanted = by_lists(model, sources()[:length, row], settings)
        assert [each.tokens for each in found[row]] == wanted


@pytest.mark.parametrize("seed", range(6))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    model = make(seed, tokens=9)
    for longest in (1, 12):
        alone = greedy(model, sources(), LENGTHS, longest=longest)
        beams = beam_search(model, sources(), LENGTHS, SearchSettings(beam=1, longest=longest))
        assert [each.tokens for each in alone] == [each.tokens for (each,) in beams]
        for one, (two,) in zip(alone, beams, strict=True):
            assert one.log_probability == pytest.approx(two.log_probability, abs=1e-9)


def test_greedy_takes_the_likeliest_and_tells_its_probability() -> None:
    model = make(1, tokens=9)
    for row, said in enumerate(greedy(model, sources(), LENGTHS, longest=8)):
        source = sources()[: LENGTHS[row], row]
        assert len(said.tokens) <= 8
        assert said.log_probability == pytest.approx(
            chance(model, source, tuple(said.tokens)), abs=1e-9
        )
        inputs = torch.tensor([BOS, *said.tokens])[:, None]
        with torch.no_grad():
            scores = model.eval()(source[:, None], None, inputs)[:, 0]
        scores[:, [BOS, UNKNOWN]] = -math.inf
        assert scores.argmax(-1).tolist()[: len(said.tokens)] == said.tokens


def test_a_wider_beam_finds_a_likelier_target() -> None:
    """By log-probability alone; of many models some are misled by the first step."""
    better = 0
    for seed in range(8):
        model = make(seed, tokens=9)
        narrow = greedy(model, sources(), LENGTHS, longest=6)
        settings = SearchSettings(beam=20, length_norm=0.0, longest=6)
        wide = beam_search(model, sources(), LENGTHS, settings)
        for one, (two,) in zip(narrow, wide, strict=True):
            assert two.log_probability >= one.log_probability - 1e-9
            better += two.log_probability > one.log_probability + 1e-6
    assert better > 0


def test_the_likeliest_beginning_is_followed_to_its_end() -> None:
    """However many unlikely ones end before: the long target of a model that is sure of it."""

    class Sure(EncoderDecoder):
        def step(self, tokens, state, encoded):
            # 3, 4, 3, 4, ... ten times; another beginning ends at once
            scores, state = super().step(tokens, state, encoded)
            after = torch.where(tokens == 3, 4, 3)
            self.number = getattr(self, "number", 0) + 1
            sure = scores.new_zeros(scores.shape).scatter(-1, after[..., None], 9.0)
            sure[..., EOS] = 50.0 if self.number > 10 else 4.0
            return sure, state

    model = Sure(8, 5, SETTINGS)
    for beam in (1, 2, 5):
        model.number = 0
        ((best,),) = beam_search(model, sources()[:, :1], None, SearchSettings(beam=beam))
        assert best.tokens == [3, 4] * 5


def test_special_tokens_are_never_taken() -> None:
    model = make(0)
    with torch.no_grad():
        model.readout.bias[[BOS, UNKNOWN]] = 50.0
    settings = SearchSettings(beam=3, best=3, longest=4)
    found = [each.tokens for row in beam_search(model, sources(), None, settings) for each in row]
    found += [each.tokens for each in greedy(model, sources(), longest=4)]
    assert all(set(tokens) <= set(TOKENS) for tokens in found)


def test_the_model_and_the_random_state_are_left_as_they_were() -> None:
    model = make(0).train()
    before = torch.get_rng_state()
    greedy(model, sources(), longest=3)
    beam_search(model, sources(), None, SearchSettings(longest=3))
    assert model.training
    assert torch.equal(before, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters())


def test_fewer_targets_than_are_asked_for() -> None:
    """There are only three targets of at most one token."""
    settings = SearchSettings(beam=5, best=5, longest=1)
    for row in beam_search(make(0), sources(), LENGTHS, settings):
        assert sorted(each.tokens for each in row) == [[], [3], [4]]


def test_more_outputs_than_beams_are_refused() -> None:
    with pytest.raises(ArgumentError, match="best: wanted at most 2"):
        beam_search(make(0), sources(), None, SearchSettings(beam=2, best=3))
