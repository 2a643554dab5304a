"""Stack, Residual, EmitState, LearnedState, LayerNorm, Recurrence and Recurrent."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from catalogue import DictCell, MinimalGated, Side, gru, lstm
from ostinato import (
    EmitState,
    LayerNorm,
    LearnedState,
    Recurrence,
    Recurrent,
    Residual,
    Stack,
    explain,
    unroll,
)
from ostinato.combine.composite import Composite
from ostinato.errors import StateError

XS = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))


def test_stack_is_one_layer_on_the_other() -> None:
    low, high = lstm(3, 5), gru(5, 2)
    ys, (a, b, c) = unroll(Stack(low, high, nn.Tanh()), XS)
    mid, want_a = unroll(low, XS)
    top, want_b = unroll(high, mid)
    torch.testing.assert_close(ys, top.tanh())
    torch.testing.assert_close((a, b), (want_a, want_b))
    assert c == ()


def test_stack_residual_adds_where_shapes_allow() -> None:
    first, second = gru(3, 5), gru(5, 5)
    ys, _ = unroll(Stack(first, second, skip="residual"), XS)
    mid, _ = unroll(first, XS)
    torch.testing.assert_close(ys, mid + unroll(second, mid)[0])


def test_stack_dense_reads_all_before() -> None:
    first, second, third = gru(3, 5), lstm(8, 2), gru(10, 4)
    ys, _ = unroll(Stack(first, second, third, skip="dense"), XS)
    a, _ = unroll(first, XS)
    b, _ = unroll(second, torch.cat([XS, a], -1))
    torch.testing.assert_close(ys, unroll(third, torch.cat([XS, a, b], -1))[0])


def test_residual() -> None:
    cell = gru(3, 3)
    torch.testing.assert_close(unroll(Residual(cell), XS)[0], XS + unroll(cell, XS)[0])


@pytest.mark.parametrize("masked", [False, True])
def test_emit_state_gives_every_state(masked: bool) -> None:
    cell = lstm()
    mask = torch.arange(6)[:, None] < torch.tensor([6, 2, 0, 4]) if masked else None
    (ys, (hs, cs)), (h, c) = unroll(EmitState(cell), XS, mask=mask)
    for t in range(6):
        short = None if mask is None else mask[: t + 1]
        _, (want_h, want_c) = unroll(cell, XS[: t + 1], mask=short)
        there = torch.ones(4, dtype=torch.bool) if mask is None else mask[t]
        torch.testing.assert_close(hs[t][there], want_h[there])
        torch.testing.assert_close(cs[t][there], want_c[there])
        assert not cs[t][~there].any()
    torch.testing.assert_close(ys, hs)
    if masked:
        torch.testing.assert_close(c[0], cs[5, 0])
        assert not h[2].any()


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_learned_state_starts_rows_and_learns(backend: str) -> None:
    cell = LearnedState(lstm())
    with torch.no_grad():
        for p in cell.start:
            p.uniform_(-1, 1)
    h, c = cell.initial_state(4)
    assert torch.equal(h, cell.start[0].expand(4, 5))
    resets = torch.zeros(6, 4, dtype=torch.bool)
    resets[3, 1] = True
    given = (torch.zeros(4, 5), torch.zeros(4, 5))
    ys, _ = unroll(cell, XS, given, resets=resets, backend=backend)
    again, _ = unroll(cell.cell, XS[3:, 1:2], (h[1:2], c[1:2]))
    torch.testing.assert_close(ys[3:, 1:2], again)
    ys.sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in cell.start)
    assert "start.0" in cell.state_dict()


def test_learned_state_gradient_is_the_sum_over_rows() -> None:
    cell = LearnedState(gru())
    unroll(cell, XS)[0].square().sum().backward()
    start = torch.zeros(4, 5, requires_grad=True)
    unroll(cell.cell, XS, start)[0].square().sum().backward()
    torch.testing.assert_close(cell.start[0].grad, start.grad.sum(0, keepdim=True))


def test_layer_norm_is_carried_on() -> None:
    cell = gru()
    wrapped = LayerNorm(cell, 5)
    h, want = cell.initial_state(4), []
    for x in XS:
        h = wrapped.norm(cell(x, h)[0])
        want.append(h)
    ys, last = unroll(wrapped, XS)
    torch.testing.assert_close(ys, torch.stack(want))
    assert torch.equal(last, ys[-1])


def test_layer_norm_of_a_y_that_is_not_state() -> None:
    cell = DictCell(3, 5)
    wrapped = LayerNorm(cell, 5)
    ys, state = unroll(wrapped, XS)
    want, want_state = unroll(cell, XS)
    torch.testing.assert_close(ys, wrapped.norm(want))
    torch.testing.assert_close(state["h"], want_state["h"])


def test_recurrence_takes_a_list_for_its_tuple() -> None:
    class Pair(nn.Module):
        """A cell of another package, which gives its state as a list."""

        def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> list[Tensor]:
            return [x + state[1], state[0]]

    ys, (h, c) = unroll(Recurrence(Pair(), (3, 3)), XS)
    torch.testing.assert_close(ys[:3], torch.stack([XS[0], XS[1], XS[2] + XS[0]]))
    assert torch.equal(h, ys[-1])
    assert torch.equal(c, ys[-2])


def test_recurrence_knows_the_input_size_of_its_module() -> None:
    assert Recurrence(nn.GRUCell(3, 5), 5).input_size == 3
    assert Recurrence(nn.Bilinear(3, 5, 5), 5).input_size is None


def test_recurrence_keeps_states_of_any_rank_and_nesting() -> None:
    class Two(nn.Module):
        """A module whose state is a pair of pairs, with a matrix in it."""

        def forward(self, x: Tensor, state: Any) -> Any:
            (h, m), (c,) = state
            return (h + x, m + x[:, :2, None]), (c + h.sum(-1, keepdim=True),)

    cell = Recurrence(Two(), ((3, [2, 4]), (1,)))
    (hs, ms), state = unroll(cell, XS)
    torch.testing.assert_close(hs, XS.cumsum(0))
    torch.testing.assert_close(ms, XS.cumsum(0)[..., :2, None].expand(6, 4, 2, 4))
    torch.testing.assert_close(state[1][0], hs[:-1].sum((0, 2))[:, None])
    assert cell.initial_state(4)[0][1].shape == (4, 2, 4)


def test_nested_recurrence() -> None:
    """The step by hand: the inner cell reads x beside the last y, and has a state of its own."""
    inner = Stack(Side(), lstm(3 + 5, 4), nn.Linear(4, 5), nn.Sigmoid())
    cell = Recurrence(inner, 5)
    y, state, want = torch.zeros(4, 5), inner.initial_state(4), []
    for x in XS:
        y, state = inner((x, y), state)
        want.append(y)
    ys, after = unroll(cell, XS)
    torch.testing.assert_close(ys, torch.stack(want))
    torch.testing.assert_close(after, (y, state))


def test_recurrences_in_recurrences() -> None:
    inner = Recurrence(Stack(Side(), lstm(3 + 5 + 2, 2)), 2)

    class Flat(nn.Module):
        """((x, h), g) as the pair ([x; h], g)."""

        def forward(self, pair: Any) -> Any:
            return torch.cat(pair, -1)

    cell = Recurrence(Stack(Flat(), inner, nn.Linear(2, 5)), 5)
    ys, state = unroll(cell, XS)
    assert ys.shape == (6, 4, 5)
    torch.testing.assert_close(state.h, ys[-1])
    again, _ = unroll(cell, XS[3:], unroll(cell, XS[:3])[1])
    torch.testing.assert_close(again, ys[3:])


def test_recurrent_starts_without_feedback() -> None:
    feed, back = nn.Linear(3, 5), nn.Linear(5, 5)
    cell = Recurrent(5, feed, back)
    h = torch.sigmoid(feed(XS[0]) + cell.start.bias)
    want = [h]
    for x in XS[1:]:
        h = torch.sigmoid(feed(x) + back(h))
        want.append(h)
    ys, state = unroll(cell, XS)
    torch.testing.assert_close(ys, torch.stack(want))
    assert state.started.all()


def test_recurrent_starts_a_row_at_its_first_step_and_after_a_reset() -> None:
    cell = Recurrent(5, nn.Linear(3, 5), nn.Linear(5, 5), nn.Tanh())
    mask = torch.ones(6, 4, dtype=torch.bool)
    mask[:2, 1] = False
    resets = torch.zeros(6, 4, dtype=torch.bool)
    resets[4, 2] = True
    ys, _ = unroll(cell, XS, mask=mask, resets=resets)
    torch.testing.assert_close(ys[2:, 1:2], unroll(cell, XS[2:, 1:2])[0])
    torch.testing.assert_close(ys[4:, 2:3], unroll(cell, XS[4:, 2:3])[0])


def test_recurrent_of_a_tuple() -> None:
    """Torch rnn's tables: every module takes and gives a pair."""

    class Two(nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(size, 5), nn.Linear(size, 2)

        def forward(self, x: Any) -> tuple[Tensor, Tensor]:
            a, b = x if isinstance(x, tuple) else (x, x)
            return self.a(a), self.b(b)

    class Back(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(5, 5), nn.Linear(2, 2)

        def forward(self, h: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            return self.a(h[0]), self.b(h[1])

    class Each(nn.Module):
        def forward(self, *given: Any) -> tuple[Tensor, Tensor]:
            return tuple(sum(parts) for parts in zip(*given, strict=True))

    feed, back = Two(3), Back()
    cell = Recurrent(Back(), feed, back, Each(), Each(), hidden_size=(5, 2))
    (a, b), state = unroll(cell, XS)
    assert (a.shape, b.shape) == ((6, 4, 5), (6, 4, 2))
    torch.testing.assert_close(a[1], feed(XS[1])[0] + back((a[0], b[0]))[0])
    assert torch.equal(state.h[1], b[-1])


class Twice(Composite):
    """A user's composite that makes a state of its own for its inner cell."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = MinimalGated(3, 5)
        self.input_size = 3

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        return self.cell.initial_state(batch_size, dtype=dtype, device=device)

    def wire(self, run: Any, x: Any, state: Any) -> Any:
        return run(self.cell, x, 2 * state)


def test_a_composite_that_remakes_its_state_cannot_be_reset_by_layers() -> None:
    resets = torch.ones(6, 4, dtype=torch.bool)
    with pytest.raises(StateError, match=r"state of Twice.*parts of it as they stand"):
        unroll(Twice(), XS, resets=resets)
    assert unroll(Twice(), XS, resets=resets, backend="eager")[0].shape == (6, 4, 5)


def test_what_combinators_say_of_themselves() -> None:
    cell = Stack(gru(), Residual(lstm(5, 5)), skip="dense")
    assert "skip='dense'" in repr(cell)
    assert "(start): Bias(5)" in repr(Recurrent(5, nn.Linear(3, 5), nn.Linear(5, 5)))
    assert "hidden_size=(5, 5)" in repr(Recurrence(nn.LSTMCell(3, 5), (5, 5)))
    assert len(str(explain(Stack(gru(), Residual(lstm(5, 5))))).splitlines()) == 4
