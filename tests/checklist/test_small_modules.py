"""Small modules of rnn, nngraph and the Lua lstm rock: a line of torch each, but for one.

Rows 84 to 87 of the table of capabilities in docs/from-torch-rnn.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from conformance.golden import close, load, tensor
from ostinato import cells, permutation_importance, shuffled, unroll

MISC = load("misc")


def check(name: str, ours: Callable[..., Any], *, parameters: bool = False) -> None:
    """Output and gradients of a recorded module; what it gives for a list is a list."""
    case = MISC[name]
    many = isinstance(case["input"], list)
    inputs = [tensor(x).requires_grad_() for x in (case["input"] if many else [case["input"]])]
    made = ours(*inputs)
    outputs = list(made) if isinstance(made, (list, tuple)) else [made]
    given = case["gradOutput"] if many else [case["gradOutput"]]
    wanted = case["output"] if many else [case["output"]]
    for y, recorded in zip(outputs, wanted, strict=True):
        close(y, tensor(recorded))
    torch.autograd.backward(outputs, [tensor(dy) for dy in given])
    recorded = case["gradInput"] if many else [case["gradInput"]]
    for x, dx in zip(inputs, recorded, strict=True):
        assert x.grad is not None
        close(x.grad, tensor(dx))


def test_row_84_sadd_is_a_sum() -> None:
    check("sadd", lambda x: x + 0.7)
    check("sadd_negate", lambda x: -(x - 1))
    z = torch.rand(3)
    assert torch.equal(-(z - 1), 1 - z)  # SAdd(-1, true), as the GRU used it


def test_row_84_copygrad_is_a_hook() -> None:
    """A gradient of one's own, which may be written to without harm to other readers of x."""
    x = torch.ones(3, requires_grad=True)
    y, z = x.clone(), x.clone()
    y.register_hook(torch.clone)
    y.register_hook(lambda dy: dy.mul_(10))
    (y + z).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.full((3,), 11.0))


def test_row_84_zerograd_is_a_hook_or_detach() -> None:
    def zero_grad(x: Tensor) -> Tensor:
        y = x.clone()
        y.register_hook(torch.zeros_like)
        return y

    check("zerograd", zero_grad)
    x = torch.ones(3, requires_grad=True)
    (zero_grad(x) / 0).sum().backward()  # zero, whatever comes
    assert x.grad is not None
    assert torch.equal(x.grad, torch.zeros(3))
    assert not x.detach().requires_grad  # the usual form: no gradient in place of zeros


def test_row_84_nograd_is_detach_or_no_grad() -> None:
    """NoGrad of the lstm rock: no gradient is computed for parts that only format."""
    table = torch.randn(4, 3, requires_grad=True)
    with torch.no_grad():
        order = table.norm(dim=1).argsort()
    y = table[order].sum()
    y.backward()
    assert table.grad is not None
    assert torch.equal(table.grad, torch.ones(4, 3))


@pytest.mark.parametrize("name", ["expandas", "expandas_two_dims"])
def test_row_84_expandas_is_expand_as(name: str) -> None:
    """Torch rnn ships its ExpandAs without loading it; here the intended thing."""
    check(name, lambda a, b: (a, b.expand_as(a)))
    check(name, torch.broadcast_tensors)


def test_row_84_linearnobias_is_linear_without_bias() -> None:
    case = MISC["linearnobias_nonbatch"]
    linear = nn.Linear(3, 4, bias=False).double()
    linear.weight.data = tensor(case["params"][0])
    check("linearnobias_nonbatch", linear)
    assert linear.weight.grad is not None
    close(linear.weight.grad, tensor(case["gradParams"][0]))
    assert [tuple(p.shape) for p in linear.parameters()] == [(4, 3)]


def test_row_84_padding_is_pad() -> None:
    """Padding(dim, pad, nInputDim, value): after the end for pad > 0, else before the start."""
    check("padding_right", lambda x: F.pad(x, (0, 2)))
    x = torch.arange(6.0).reshape(2, 3)
    assert F.pad(x, (2, 0), value=7.0)[:, :2].eq(7).all()
    assert F.pad(x, (0, 0, 1, 0)).shape == (3, 3)  # along the first dimension


def test_row_84_reversetable_is_reversed() -> None:
    check("reversetable", lambda *xs: xs[::-1])
    xs = torch.arange(6.0).reshape(3, 2)
    assert torch.equal(xs.flip(0), torch.stack(list(reversed(xs.unbind()))))


def test_row_85_invertindex_is_index_fill() -> None:
    """InvertIndex(size): an indicator of the indices, which count from 0 here."""
    index = torch.tensor([4, 0])
    assert torch.zeros(5).index_fill(0, index, 1).tolist() == [1, 0, 0, 0, 1]
    lists = torch.tensor([[0, 1], [3, 3]])
    rows = torch.zeros(2, 5).scatter(1, lists, 1)
    assert rows.tolist() == [[1, 1, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert not rows.requires_grad
    with pytest.raises(IndexError):
        torch.zeros(5).index_fill(0, torch.tensor([5]), 1)


def test_row_85_mixturegate_is_lerp() -> None:
    """MixtureGate {g, a, b}: g a + (1 - g) b, with its gradients."""
    g, a, b = (torch.rand(4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    torch.testing.assert_close(torch.lerp(b, a, g), g * a + (1 - g) * b)
    assert torch.autograd.gradcheck(lambda g, a, b: torch.lerp(b, a, g), (g, a, b))
    torch.lerp(b, a, g).sum().backward()
    torch.testing.assert_close(g.grad, (a - b).detach())


def test_row_85_regularizationmask_is_a_flat_vector() -> None:
    """RegularizationMask(net): one at the entries of matrices, zero at those of biases."""
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1, bias=False))
    parts = [torch.full_like(p, float(p.dim() == 2)) for p in net.parameters()]
    mask = nn.utils.parameters_to_vector(parts)
    assert mask.tolist() == [1] * 6 + [0] * 2 + [1] * 2
    flat = nn.utils.parameters_to_vector(net.parameters())
    torch.testing.assert_close(
        (mask * flat).square().sum(), sum(p.square().sum() for p in net.parameters() if p.dim() > 1)
    )


def test_row_85_selectterminal_is_an_index() -> None:
    """SelectTerminal {x, lengths}: the last step of each row, time first, and its gradient."""
    xs, lengths = torch.randn(4, 3, 2, requires_grad=True), torch.tensor([4, 1, 2])
    last = xs[lengths - 1, torch.arange(3)]
    assert torch.equal(last, torch.stack([xs[3, 0], xs[0, 1], xs[1, 2]]))
    last.sum().backward()
    assert xs.grad is not None
    assert xs.grad.sum(-1).tolist() == [[0, 2, 0], [0, 0, 2], [0, 0, 0], [2, 0, 0]]
    with pytest.raises(IndexError):
        xs[torch.tensor([5, 1, 1]) - 1, torch.arange(3)]
    # for a cell it needs no index: the state is that of each row's own end
    cell = cells.GRU(2, 5)
    ys, h = unroll(cell, xs, lengths=lengths)
    torch.testing.assert_close(h, ys[lengths - 1, torch.arange(3)])


def test_row_86_permuting_shuffles_only_the_chosen_dimension() -> None:
    """The node D of the lstm rock: permute(major, minor)."""
    x = torch.arange(60.0).reshape(5, 4, 3)
    whole = shuffled(x, 0)
    assert sorted(whole[:, 0, 0].tolist()) == x[:, 0, 0].tolist()
    order = (whole[:, 0, 0] / 12).long()
    assert torch.equal(whole, x[order])
    assert not torch.equal(whole, x)
    apart = shuffled(x, 0, apart=2)
    assert torch.equal(apart.sort(0).values, x)
    orders = (apart[:, 0] / 12).long()  # [5, 3]: an order for each slice of the last dimension
    assert len({tuple(order) for order in orders.T.tolist()}) > 1
    for k in range(3):
        assert torch.equal(apart[..., k], x[orders[:, k], :, k])


def test_row_86_a_hook_permutes_within_a_network() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    x = torch.randn(50, 3)
    plain = net(x)
    hook = net[1].register_forward_pre_hook(lambda _, args: shuffled(args[0], 0, apart=1))
    assert not torch.allclose(net(x), plain)
    hook.remove()
    assert torch.equal(net(x), plain)


def test_row_86_permutation_importance_finds_what_is_used() -> None:
    xs = torch.randn(6, 500, 3)
    targets = (2 * xs[..., 0] + 0.5 * xs[..., 2]).sum(0)

    def model(xs: Tensor) -> Tensor:
        return (2 * xs[..., 0] + 0.5 * xs[..., 2]).sum(0)

    grown = permutation_importance(model, xs, lambda ys: F.mse_loss(ys, targets), repeats=3)
    # shuffling a feature of variance 1 with weight w, over 6 steps, adds 2 * 6 * w^2
    torch.testing.assert_close(grown, torch.tensor([48.0, 0.0, 3.0]), rtol=0.15, atol=1e-6)


def test_row_86_logging_is_a_forward_hook(caplog: pytest.LogCaptureFixture) -> None:
    """The logging of D: names and shapes of what passes."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    for name, module in net.named_modules():
        module.register_forward_hook(
            lambda _, args, y, name=name: logging.info("%s: %s", name, list(y.shape))
        )
    with caplog.at_level(logging.INFO):
        net(torch.ones(2, 3))
    assert [record.getMessage() for record in caplog.records] == [
        "0: [2, 4]",
        "1: [2, 4]",
        ": [2, 4]",
    ]


def test_row_87_nested_structures_are_pytrees() -> None:
    """The recursive helpers of rnn, which act on tensors in nested tables."""
    a: Any = {"h": torch.tensor([1.0, 2.0]), "more": [torch.tensor(3.0), (torch.ones(2, 2),)]}
    b = pytree.tree_map(torch.ones_like, a)

    copied = pytree.tree_map(torch.clone, a)  # recursiveCopy
    assert copied["h"] is not a["h"]
    assert equal(copied, a)

    added = pytree.tree_map(lambda x, y: x + 2 * y, a, b)  # recursiveAdd, with a factor
    assert added["h"].tolist() == [3, 4]
    assert added["more"][1][0].tolist() == [[3, 3], [3, 3]]

    filled = pytree.tree_map(lambda x: torch.full_like(x, 5), a)  # recursiveFill
    assert filled["more"][0] == 5

    drawn = pytree.tree_map(torch.randn_like, a)  # recursiveNormal
    assert not equal(drawn, a)
    fresh = pytree.tree_map(torch.empty_like, a)  # recursiveNew, recursiveResizeAs
    assert fresh["more"][1][0].shape == (2, 2)
    cast = pytree.tree_map(lambda x: x.double(), a)  # recursiveType
    assert cast["more"][0].dtype == torch.float64

    total = sum(x.sum() for x in pytree.tree_leaves(a))  # recursiveSum
    assert total == 10
    pytree.tree_map_(lambda x: x.zero_(), a)  # in place, as recursiveSet
    assert not any(x.any() for x in pytree.tree_leaves(a))

    with pytest.raises(ValueError, match=r"[Mm]ismatch"):
        pytree.tree_map(torch.add, a, {"h": b["h"]})


def equal(a: Any, b: Any) -> bool:
    """recursiveTensorEq: one structure, and no entry further apart than 1e-5."""
    same = pytree.tree_structure(a) == pytree.tree_structure(b)
    pairs = zip(pytree.tree_leaves(a), pytree.tree_leaves(b), strict=True)
    return same and all(torch.allclose(x, y, rtol=0, atol=1e-5) for x, y in pairs)
