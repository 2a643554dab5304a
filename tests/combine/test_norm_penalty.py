"""The penalty on norms as a layer: what it adds to the loss, on every backend and in the solver."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ostinato
from ostinato import MaskZero, NormPenalty, Recursor, Sequencer, Stack, Zoneout, cells, unroll
from ostinato.criteria import NormStabilizer
from ostinato.errors import ArgumentError, ShapeError
from ostinato.train import History, Solver, Supervised, TrainSettings

XS = torch.randn(6, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def layers() -> tuple[cells.GRU, nn.Linear]:
    torch.manual_seed(1)
    return cells.GRU(2, 4, dtype=torch.float64), nn.Linear(4, 1).double()


def model(beta: float = 0.5) -> Stack:
    cell, readout = layers()
    return Stack(cell, NormPenalty(beta), readout)


def gradients(loss: Tensor, module: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(module.parameters())))


def same(found: list[Tensor], wanted: list[Tensor]) -> None:
    for one, two in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)


def wanted(beta: float = 0.5, **options: Any) -> tuple[Tensor, Tensor, Stack]:
    """ys, the penalty by the criterion, and the model without the layer."""
    plain = Stack(*layers())
    hs, _ = unroll(plain.cells[0], XS, **options)
    ys, _ = unroll(plain, XS, **options)
    return (
        ys,
        NormStabilizer(beta)(hs, **{k: v for k, v in options.items() if k != "backend"}),
        plain,
    )


@pytest.mark.parametrize("backend", ["auto", "eager", "fused"])
@pytest.mark.parametrize("options", [{}, {"lengths": [6, 2, 0]}])
def test_it_is_the_penalty_of_the_sequence(backend: str, options: dict) -> None:
    stack = model()
    with ostinato.penalties() as added:
        hs, _ = unroll(Stack(*stack.cells[:2]), XS, backend=backend, **options)
        ys = stack.cells[2](hs, ())[0]
    plain_ys, penalty, plain = wanted(**options)
    torch.testing.assert_close(ys, plain_ys if not options else ys)
    torch.testing.assert_close(added.total, penalty, rtol=1e-12, atol=0)
    found = gradients(hs.square().sum() + added.total, stack.cells[0])
    plain_hs, _ = unroll(plain.cells[0], XS, **options)
    same(found, gradients(plain_hs.square().sum() + penalty, plain.cells[0]))


def test_published_numbers() -> None:
    """Norms 5 and 10: what Torch's updateLoss should say is 12.5, a mean over two steps."""
    layer, xs = NormPenalty(), torch.tensor([[[3.0, 4.0]], [[6.0, 8.0]]], requires_grad=True)
    with ostinato.penalties() as added:
        ys, _ = unroll(layer, xs)
    assert ys is not xs
    assert torch.equal(ys, xs)
    assert added.total.item() == pytest.approx(25.0)
    (gradient,) = torch.autograd.grad(added.total, xs)
    torch.testing.assert_close(gradient[:, 0], torch.tensor([[-6.0, -8.0], [6.0, 8.0]]))


def test_steps_and_pieces_add_up_to_the_whole() -> None:
    _, penalty, plain = wanted()
    whole = gradients(penalty, plain.cells[0])
    for kind in ("steps", "pieces", "checkpoint"):
        stack = model()
        with ostinato.penalties() as added:
            if kind == "steps":
                shell = Recursor(stack)
                for x in XS:
                    shell(x)
            elif kind == "pieces":
                state: Any = None
                for piece in XS.split(2):
                    _, state = unroll(stack, piece, state)
            else:
                unroll(stack, XS, checkpoint=2)
        torch.testing.assert_close(added.total, penalty)
        same(gradients(added.total, stack.cells[0]), whole)


def test_a_carried_state_brings_no_old_sum_with_it() -> None:
    shell = Sequencer(model()).remember("both")
    with ostinato.penalties() as first:
        shell(XS)
    with ostinato.penalties() as second:
        shell(XS)
    assert 0.1 < (second.total / first.total).item() < 10
    first.total.backward()
    second.total.backward()  # the graph of the first piece is cut off


def test_nothing_without_training_or_gradients_or_a_block() -> None:
    stack = model()
    unroll(stack, XS)
    with ostinato.penalties() as added:
        with torch.no_grad():
            unroll(stack, XS)
        unroll(stack.eval(), XS)
    assert not added.total
    with ostinato.penalties() as added:
        unroll(Stack(*layers()), XS)
    assert not added
    assert added.total.item() == 0


def test_blocks_are_apart() -> None:
    stack = model()
    with ostinato.penalties() as outer:
        unroll(stack, XS)
        with ostinato.penalties() as inner:
            unroll(stack, XS)
    assert torch.equal(outer.total, inner.total)


def test_a_row_of_zeros_has_no_slope() -> None:
    xs = torch.zeros(3, 1, 2, requires_grad=True)
    with ostinato.penalties() as added:
        unroll(NormPenalty(), xs)
    added.total.backward()
    assert xs.grad is not None
    assert not xs.grad.any()


def task(module: nn.Module, **options: Any) -> Supervised:
    pairs = [(xs, xs.sum(-1, keepdim=True)) for xs in (XS, XS.flip(0))]
    return Supervised(module, F.mse_loss, pairs, **options)


def test_the_solver_adds_it() -> None:
    stack, plain = model(0.3), Stack(*layers())
    history = History()
    settings = TrainSettings(steps=4, optimiser="sgd", lr=0.1, clip=0, schedule="constant")
    settings = settings.replace(warm_up=0.0)
    Solver(task(Sequencer(stack)), settings, report=history).fit()
    found: list[float] = []
    for step in range(4):
        xs = (XS, XS.flip(0))[step % 2]
        hs, _ = unroll(plain.cells[0], xs)
        loss = F.mse_loss(unroll(plain.cells[1], hs)[0], xs.sum(-1, keepdim=True))
        found.append(loss.item())  # what is told is the loss of the task
        both = loss + NormStabilizer(0.3)(hs)
        for weight, gradient in zip(plain.parameters(), gradients(both, plain), strict=True):
            weight.data -= 0.1 * gradient
    assert history["loss"] == pytest.approx(found)
    for name, weight in plain.cells[0].named_parameters():
        torch.testing.assert_close(stack.cells[0].get_parameter(name), weight)


def test_what_would_lose_the_sum_is_refused() -> None:
    resets = torch.zeros(6, 3, dtype=torch.bool)
    with pytest.raises(ArgumentError, match="resets: wanted None for a cell with a NormPenalty"):
        with ostinato.penalties():
            unroll(model(), XS, resets=resets)
    for wrapper in (MaskZero, Zoneout):
        with pytest.raises(ArgumentError, match=rf"Stack\({wrapper.__name__}\(cell\), NormPenalty"):
            wrapper(model())
    with pytest.raises(ArgumentError, match="beta: wanted a number of at least 0, got -1"):
        NormPenalty(-1)
    with pytest.raises(ShapeError, match=r"one step \[B, H\] for NormPenalty"):
        NormPenalty()(torch.zeros(2, 3, 4), ())
