"""The encoder and the decoder beside a plain loop over one pair at a time; what padding may do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

import ostinato
from ostinato import _tree
from ostinato.errors import ArgumentError
from ostinato.seq2seq import EncoderDecoder, Seq2SeqModelSettings
from ostinato.seq2seq.attention import Additive, Attention

SMALL = Seq2SeqModelSettings(size=4, embedding=3, dropout=0.0)
KINDS = [
    pytest.param({"direction": direction, "attention": attention}, id=f"{direction}-{attention}")
    for direction in ("forward", "both")
    for attention in ("none", "dot", "additive")
]
LENGTHS = torch.tensor([5, 2, 0, 3])
BATCH = 4


def make(**settings: Any) -> EncoderDecoder:
    return EncoderDecoder(7, 6, SMALL.replace(**settings)).double()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Sources [5, B], their lengths, and inputs [3, B]."""
    return torch.randint(3, 7, (5, BATCH)), LENGTHS, torch.randint(3, 6, (3, BATCH))


def read(model: EncoderDecoder, cell: Any, source: Tensor) -> tuple[list[Tensor], Any]:
    """The outputs [W] of a stack at each token of one source, and its last state."""
    ys, state = list[Tensor](), cell.initial_state(1)
    for token in source:
        y, state = cell(model.source_embedding(token[None]), state)
        ys.append(y[0])
    return ys, state


def look(attention: Attention, y: Tensor, values: list[Tensor]) -> Tensor:
    """Attention of one step y [H] to the values of one source, from its equations."""
    score, found = attention.score, torch.zeros_like(attention.mix.weight[0, len(y) :])
    if isinstance(score, Additive):
        each = [score.energy((score.query(y) + score.keys(v)).tanh())[0] for v in values]
    else:
        each = [y @ score.keys(v) for v in values]
    chances = [torch.exp(number) for number in each]
    for chance, value in zip(chances, values, strict=True):
        found = found + chance / sum(chances) * value
    return attention.mix(torch.cat([y, found])).tanh()


def by_hand(model: EncoderDecoder, source: Tensor, inputs: Tensor) -> Tensor:
    """The scores [U, V] of one pair without padding, a step at a time."""
    values, state = read(model, model.encoder, source)
    if model.back is not None and model.bridge is not None:
        back, first = read(model, model.back, source.flip(0))
        values = [torch.cat(pair) for pair in zip(values, back[::-1], strict=True)]
        maps = iter(model.bridge.maps)
        state = _tree.map(lambda a, b: next(maps)(torch.cat([a, b], -1)), state, first)
    scores = list[Tensor]()
    for token in inputs:
        y, state = model.decoder(model.target_embedding(token[None]), state)
        looked = y[0] if model.attention is None else look(model.attention, y[0], values)
        scores.append(model.readout(looked))
    return torch.stack(scores)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["auto", "eager"])
def test_teacher_forcing_equals_stepping_one_pair_at_a_time(kind, backend) -> None:
    model, (source, lengths, inputs) = make(**kind), batch()
    with ostinato.backend(backend):
        scores = model(source, lengths, inputs)
    plain = torch.stack(
        [by_hand(model, source[: lengths[b], b], inputs[:, b]) for b in range(BATCH)], dim=1
    )
    torch.testing.assert_close(scores, plain, rtol=0, atol=1e-12)
    weight = torch.randn_like(scores)
    # what a model without attention has from the layers on is not used when a source is empty
    ours, theirs = (
        torch.autograd.grad((each * weight).sum(), list(model.parameters()), allow_unused=True)
        for each in (scores, plain)
    )
    for (name, _), one, two in zip(model.named_parameters(), ours, theirs, strict=True):
        assert one is not None, name
        assert two is not None, name
        torch.testing.assert_close(one, two, rtol=0, atol=1e-11, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("kind", [{"layers": 2}, {"layers": 2, "cell": "gru"}, {"cell": "elman"}])
@pytest.mark.parametrize("direction", ["forward", "both"])
def test_any_number_of_layers_and_any_cell(kind, direction) -> None:
    model, (source, lengths, inputs) = make(**kind, direction=direction), batch()
    with ostinato.backend("eager"):
        scores = model(source, lengths, inputs)
        plain = by_hand(model, source[:2, 1], inputs[:, 1])
    torch.testing.assert_close(scores[:, 1], plain, rtol=0, atol=1e-12)


def test_a_cell_by_its_path_whose_state_has_another_form() -> None:
    model, (source, lengths, inputs) = make(cell="ostinato.cells:RecurrentHighway"), batch()
    assert model(source, lengths, inputs).shape == (3, BATCH, 6)
    peepholes = make(cell="torch.nn:GRUCell", direction="forward")
    assert peepholes(source, lengths, inputs).shape == (3, BATCH, 6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_in_the_padding_changes_nothing(kind) -> None:
    model, (source, lengths, inputs) = make(**kind), batch()
    padding = torch.arange(5)[:, None] >= lengths
    other = torch.where(padding, 3 + (source - 2) % 4, source)
    assert not torch.equal(source, other)
    results = []
    for each in (source, other):
        model.zero_grad()
        scores = model(each, lengths, inputs)
        scores.square().sum().backward()
        results.append([scores.detach(), *(p.grad.clone() for p in model.parameters())])
    assert all(torch.equal(one, two) for one, two in zip(*results, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_more_padding_changes_nothing_but_rounding(kind) -> None:
    model, (source, lengths, inputs) = make(**kind), batch()
    longer = torch.cat([source, torch.full((3, BATCH), 6)])
    one, two = model(source, lengths, inputs), model(longer, lengths, inputs)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-14)


@pytest.mark.parametrize("attention", ["dot", "additive"])
def test_weights_sum_to_one_over_what_is_there(attention) -> None:
    model, (source, lengths, inputs) = make(attention=attention), batch()
    scores, weights = model.attend(source, lengths, inputs)
    assert torch.equal(scores, model(source, lengths, inputs))
    assert weights is not None
    assert weights.shape == (3, BATCH, 5)
    for row, length in enumerate(lengths.tolist()):
        assert (weights[:, row, length:] == 0).all()
        assert (weights[:, row, :length] > 0).all()
        wanted = torch.full((3,), float(length > 0), dtype=torch.float64)
        torch.testing.assert_close(weights[:, row].sum(-1), wanted)


def test_without_attention_there_are_no_weights() -> None:
    assert make(attention="none").attend(*batch())[1] is None


@pytest.mark.parametrize("kind", [{"attention": "none"}, {"attention": "additive"}])
def test_numeric_gradients_of_all_parameters(kind) -> None:
    model, (source, lengths, inputs) = make(**kind, size=2), batch()
    names = [name for name, _ in model.named_parameters()]

    def scores(*values: Tensor) -> Tensor:
        given = dict(zip(names, values, strict=True))
        return functional_call(model, given, (source, lengths, inputs))

    with ostinato.backend("eager"):
        assert torch.autograd.gradcheck(scores, tuple(model.parameters()), fast_mode=True)


def test_the_state_is_handed_on_as_it_is() -> None:
    """Read in one direction, the decoder goes on where the encoder stopped."""
    model = make(direction="forward", attention="none", layers=2)
    source, lengths, _ = batch()
    _, state = ostinato.unroll(model.encoder, model.source_embedding(source), lengths=lengths)
    ours = model.encode(source, lengths)
    assert ours.memory is None
    pairs = zip(_tree.leaves(state), _tree.leaves(ours.state), strict=True)
    assert all(torch.equal(one, two) for one, two in pairs)


def test_beams_stand_side_by_side() -> None:
    """A step of K beams is K steps of one."""
    model, (source, lengths, _) = make(), batch()
    encoded, tokens = model.encode(source, lengths), torch.randint(3, 6, (2, BATCH))
    twice = _tree.map(lambda leaf: torch.cat([leaf, 2 * leaf]), encoded.state)
    both, after = model.step(tokens, twice, encoded)
    for beam, scale in enumerate((1, 2)):
        state = _tree.map(lambda leaf, scale=scale: scale * leaf, encoded.state)
        one, state = model.step(tokens[beam : beam + 1], state, encoded)
        torch.testing.assert_close(both[beam], one[0])
        rows = slice(beam * BATCH, (beam + 1) * BATCH)
        for ours, theirs in zip(_tree.leaves(after), _tree.leaves(state), strict=True):
            torch.testing.assert_close(ours[rows], theirs)


def test_the_fused_backend_runs_both_parts() -> None:
    model = make(attention="dot").float()
    said = model.explain(*batch())
    assert list(said) == ["encoder", "back", "decoder"]
    assert all("LSTM(3, 4" in str(each) and "fused" in str(each) for each in said.values())
    assert list(make(direction="forward").explain(*batch())) == ["encoder", "decoder"]


def test_dropout_acts_in_training_alone() -> None:
    model, given = make(dropout=0.5), batch()
    assert not torch.equal(model(*given), model(*given))
    model.eval()
    assert torch.equal(model(*given), model(*given))


def test_it_prints_its_parts() -> None:
    said = repr(EncoderDecoder(7, 6))
    assert all(part in said for part in ("encoder", "back", "bridge", "decoder", "attention"))
    assert isinstance(EncoderDecoder(7, 6).readout, nn.Linear)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"attention": "bilinear"}, "attention: wanted one of none, dot, additive"),
        ({"direction": "backward"}, "direction: wanted one of forward, both"),
        ({"cell": "lsmt"}, "Did you mean lstm?"),
        ({"layers": 0}, "layers: wanted a number of at least 1"),
    ],
)
def test_what_is_wrong_is_said(settings, words) -> None:
    with pytest.raises(ArgumentError, match=words.replace("?", r"\?")):
        make(**settings)
