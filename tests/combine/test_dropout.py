"""Masks that hold for a sequence."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from catalogue import DictCell, Joined, gru, lstm
from ostinato import HeldDropout, Recurrence, RecurrentDropout, Sequencer, Stack, cells, unroll
from ostinato.combine.dropout import Held, draw, keep_masks

XS = torch.randn(6, 4, 3, generator=torch.Generator().manual_seed(0))


def test_held_dropout_has_one_mask_a_row() -> None:
    ys, state = unroll(HeldDropout(3, 0.5), torch.ones(6, 50, 3))
    assert torch.equal(ys, ys[:1].expand_as(ys))
    assert set(ys.unique().tolist()) == {0.0, 2.0}
    assert torch.equal(state.mask, ys[0] > 0)
    assert not torch.equal(ys[0, 0], ys[0, 1]) or not torch.equal(ys[0, 0], ys[0, 2])


def test_the_mask_lives_with_the_state() -> None:
    shell = Sequencer(HeldDropout(50, 0.5), remember="both")
    xs = torch.ones(2, 3, 50)
    first, again = shell(xs), shell(xs)
    assert torch.equal(first, again)
    shell.forget()
    assert not torch.equal(shell(xs), first)


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_a_reset_starts_a_row_again_and_keeps_the_mask(backend: str) -> None:
    cell = Stack(HeldDropout(3, 0.5), RecurrentDropout(lstm(), 0.5))
    _, state = unroll(cell, XS)
    resets = torch.zeros(6, 4, dtype=torch.bool)
    resets[0] = True
    ys, after = unroll(cell, XS, state, resets=resets, backend=backend)
    fresh = keep_masks(cell.initial_state(4), state)
    want, _ = unroll(cell, XS, fresh, backend=backend)
    torch.testing.assert_close(ys, want)
    for now, before in ((after[0], state[0]), (after[1], state[1])):
        assert torch.equal(now.mask, before.mask)


def test_keep_masks_takes_masks_from_anywhere_in_the_tree() -> None:
    fresh = {"a": (Held(torch.zeros(2), torch.zeros(1)), torch.zeros(3)), "b": ()}
    given = {"a": (Held(torch.ones(2), torch.ones(1)), torch.ones(3)), "b": ()}
    kept = keep_masks(fresh, given)
    assert kept["a"][0].mask is given["a"][0].mask
    assert kept["a"][0].state is fresh["a"][0].state
    assert kept["a"][1] is fresh["a"][1]


@pytest.mark.parametrize(
    "make", [lambda: cells.Elman(3, 5), lstm, gru], ids=["elman", "lstm", "gru"]
)
def test_recurrent_dropout_is_on_what_the_products_read(make: object) -> None:
    cell = make()
    wrapped = RecurrentDropout(cell, 0.4)
    state = wrapped.initial_state(4)
    ys, _ = unroll(wrapped, XS, state)
    now, want = state.state, []
    for x in XS:
        h = now[0] if isinstance(now, tuple) else now
        y, now = cell.step(x, torch.where(state.mask, h / 0.6, 0.0), now)
        want.append(y)
    torch.testing.assert_close(ys, torch.stack(want))
    assert not torch.allclose(ys, unroll(cell, XS)[0])


def test_recurrent_dropout_of_another_cell_masks_the_first_leaf_only() -> None:
    cell = DictCell(3, 5)
    wrapped = RecurrentDropout(cell, 0.4)
    state = Held(cell.initial_state(4), torch.zeros(4, 5, dtype=torch.bool))
    seen = {"h": torch.randn(4, 5), "trace": (torch.randn(4, 5, 2), torch.randn(4, 1))}
    y, _ = wrapped(XS[0], state._replace(state=seen))
    want, _ = cell(XS[0], {**seen, "h": torch.zeros(4, 5)})
    torch.testing.assert_close(y, want)


def test_recurrent_dropout_does_not_mistake_one_tensor_that_stands_twice() -> None:
    twin = torch.ones(4, 5)
    masks: list[Tensor] = []

    class Both(torch.nn.Module):
        """Notes the state that it is given."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = Joined(3, 5)

        def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            masks.extend(state)
            return self.inner(x, state[0]), state[1]

    wrapped = RecurrentDropout(Recurrence(Both(), (5, 5)), 0.5)
    none = torch.zeros(4, 5, dtype=torch.bool)
    wrapped(XS[0], Held((twin, twin), none))
    assert not masks[0].any()
    assert masks[1] is twin


def test_recurrent_dropout_looks_past_masks_for_h() -> None:
    cell = RecurrentDropout(Stack(HeldDropout(3, 0.5), gru()), 0.5)
    ys, state = unroll(cell, XS)
    assert ys.shape == (6, 4, 5)
    assert state.mask.shape == (4, 5)


def test_nothing_is_dropped_outside_training() -> None:
    for cell, plain in (
        (RecurrentDropout(lstm(), 0.5), lambda c: c.cell),
        (HeldDropout(3, 0.5), lambda c: torch.nn.Identity()),
    ):
        cell.eval()
        assert torch.equal(unroll(cell, XS)[0], unroll(plain(cell), XS)[0])
        assert all(mask.all() for mask in [cell.initial_state(4).mask])


def test_expectation() -> None:
    kept = draw((200_000,), 0.3, None, True).double().mean().item()
    # 200 000 draws: one standard deviation is 0.001
    assert abs(kept - 0.7) < 0.005
