"""Derivatives: by differences, twice, under functorch, in mixed precision, in linear time."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, jvp, vmap

from catalogue import ENTRIES
from conformance.scenario import assert_close
from ostinato import Cell, _tree, cells, unroll
from ostinato.backends import BACKENDS

BY_NAME = {entry.name: entry for entry in ENTRIES}
STANDARD = ("elman", "lstm", "lstm_proj", "lstm_layer_norm", "gru", "gru_before")
PUBLISHED = (
    "peephole_lstm",
    "peephole_lstm_full",
    "batch_norm_lstm",
    "coupled_lstm",
    "multiplicative_lstm",
    "mgu",
    "mufuru",
    "recurrent_highway",
    "ugrnn",
    "janet",
    "antisymmetric",
    "indrnn",
    "sru",
    "min_gru",
)
MASK = torch.tensor([[True, True], [True, False], [False, True], [True, False]])


def small(name: str) -> tuple[Cell, Tensor, list[Tensor]]:
    """A cell, xs [4, 2, I] and its parameters, in float64, all requiring gradients."""
    cell = BY_NAME[name].build(torch.float64)
    return cell, BY_NAME[name].inputs(4, 2, torch.float64).requires_grad_(), [*cell.parameters()]


@pytest.mark.parametrize("name", [*STANDARD, *PUBLISHED])
def test_gradients_equal_finite_differences(name: str) -> None:
    cell, xs, parameters = small(name)

    def run(xs: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        ys, state = unroll(cell, xs, mask=MASK, reverse=True)
        return ys, *_tree.leaves(state)

    assert torch.autograd.gradcheck(run, (xs, *parameters), fast_mode=True)


@pytest.mark.parametrize("name", [*STANDARD, *PUBLISHED])
def test_second_derivatives_equal_finite_differences(name: str) -> None:
    cell, xs, parameters = small(name)

    def run(xs: Tensor, *_: Tensor) -> Tensor:
        return unroll(cell, xs, backend="eager")[0]

    assert torch.autograd.gradgradcheck(run, (xs, *parameters), fast_mode=True)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", STANDARD)
def test_double_backward_through_auto(name: str, masked: bool) -> None:
    """Torch's CPU kernels can be differentiated twice as well; a penalty on gradients uses it."""
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        cell = BY_NAME[name].build(dtype)
        xs = BY_NAME[name].inputs(4, 2, dtype).requires_grad_()
        made = []
        for backend in ("eager", "auto"):
            ys, _ = unroll(cell, xs, mask=MASK if masked else None, backend=backend)
            (first,) = torch.autograd.grad(ys.square().sum(), xs, create_graph=True)
            made.append(torch.autograd.grad(first.square().sum(), [xs, *cell.parameters()]))
        for want, got in zip(*made, strict=True):
            assert_close(got, want, tolerance)


@pytest.mark.parametrize(
    "name", [*STANDARD, *PUBLISHED, "stack", "user_dict_state", "learned_state"]
)
def test_vmap_over_inputs(name: str) -> None:
    cell = BY_NAME[name].build(torch.float64)
    many = torch.stack([BY_NAME[name].inputs(4, 2, torch.float64, seed=s) for s in range(3)])
    resets = MASK.roll(1, 0)
    got = vmap(lambda xs: unroll(cell, xs, mask=MASK, resets=resets))(many)
    each = [unroll(cell, xs, mask=MASK, resets=resets) for xs in many]
    want = _tree.map(lambda *runs: torch.stack(runs), *each)
    for (path, a), (_, b) in zip(_tree.paths(got), _tree.paths(want), strict=True):
        assert_close(a, b, 1e-10, path)


@pytest.mark.parametrize("name", ["lstm", "gru", "stack"])
def test_gradients_of_each_sample(name: str) -> None:
    cell = BY_NAME[name].build(torch.float64)
    many = BY_NAME[name].inputs(4, 3, torch.float64)
    weights = {key: p.detach() for key, p in cell.named_parameters()}

    def loss(weights: dict[str, Tensor], xs: Tensor) -> Tensor:
        named = {f"cell.{key}": value for key, value in weights.items()}
        return functional_call(Loss(cell), named, (xs[:, None],))

    got = vmap(grad(loss), in_dims=(None, 1))(weights, many)
    for b in range(3):
        total = unroll(cell, many[:, b : b + 1])[0].square().sum()
        want = torch.autograd.grad(total, list(cell.parameters()))
        for (key, _), leaf in zip(cell.named_parameters(), want, strict=True):
            assert_close(got[key][b], leaf, 1e-10, key)


class Loss(torch.nn.Module):
    """sum(ys^2) of a cell: what `functional_call` wants is a module."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, xs: Tensor) -> Tensor:
        return unroll(self.cell, xs)[0].square().sum()


@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's, in jvp
@pytest.mark.parametrize("name", [*STANDARD, "stack"])
def test_forward_mode_equals_finite_differences(name: str) -> None:
    cell = BY_NAME[name].build(torch.float64)
    xs, dxs = (BY_NAME[name].inputs(4, 2, torch.float64, seed=s) for s in (0, 1))
    ys, dys = jvp(lambda xs: unroll(cell, xs)[0], (xs,), (dxs,))
    step = 1e-6  # the error of a central difference is of the order of its square
    ahead, behind = unroll(cell, xs + step * dxs)[0], unroll(cell, xs - step * dxs)[0]
    assert_close(dys, (ahead - behind) / (2 * step), 1e-7)
    assert_close(ys, unroll(cell, xs)[0], 1e-10)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(xs, dxs)
        out = torch.autograd.forward_ad.unpack_dual(unroll(cell, dual)[0])
        assert out.tangent is not None
        assert_close(out.tangent, dys, 1e-12)


@pytest.mark.parametrize("name", [*STANDARD, "stack", "user", "recurrent", "zoneout"])
def test_mixed_precision(name: str) -> None:
    cell = BY_NAME[name].build(torch.float32)
    xs = BY_NAME[name].inputs(4, 2, torch.float32)
    want, _ = unroll(cell, xs)
    with torch.autocast("cpu", torch.bfloat16):
        ys, state = unroll(cell, xs, mask=torch.ones(4, 2, dtype=torch.bool))
        again, _ = unroll(cell, xs, state)
    # bfloat16 has 8 bits
    assert_close(ys.float(), want, 0.05)
    assert again.shape == ys.shape
    ys.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in cell.parameters())


def graph(*roots: Tensor) -> Counter[str]:
    """How often each kind of node stands in the graph behind these tensors."""
    found: Counter[str] = Counter()
    seen: set[Any] = set()
    todo = [root.grad_fn for root in roots]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found[type(node).__name__] += 1
        todo += [following for following, _ in node.next_functions]
    return found


@pytest.mark.parametrize("masked", [False, True])
def test_backward_is_linear_in_time(masked: bool) -> None:
    """A step taken by xs[t] would make a gradient of the size of xs at every step."""
    cell = BY_NAME["user"].build(torch.float32)
    sizes: list[tuple[int, int]] = []
    for num_steps in (10, 20, 30):
        xs = torch.randn(num_steps, 2, 3, requires_grad=True)
        mask = torch.ones(num_steps, 2, dtype=torch.bool) if masked else None
        saved: list[int] = []

        def keep(tensor: Tensor, saved: list[int] = saved) -> Tensor:
            saved.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            ys, _ = unroll(cell, xs, mask=mask, backend="eager")
        nodes = graph(ys)
        assert nodes["UnbindBackward0"] == 1
        assert "SelectBackward0" not in nodes
        sizes.append((nodes.total(), sum(saved)))
    (n1, s1), (n2, s2), (n3, s3) = sizes
    assert n3 - n2 == n2 - n1
    assert s3 - s2 == s2 - s1


@pytest.mark.parametrize("backend", [b.name for b in BACKENDS])
def test_no_graph_without_gradients(backend: str) -> None:
    cell = cells.LSTM(3, 5)
    with torch.no_grad():
        ys, (h, c) = unroll(cell, torch.randn(4, 2, 3), backend=backend)
    assert not any(leaf.requires_grad for leaf in (ys, h, c))
