"""Masking and variable lengths: rows 45 to 51 of the checklist."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from catalogue import gru, lstm
from conformance.golden import check_gradients, close, fill, load, tensor
from ostinato import (
    Cell,
    LearnedState,
    MaskZero,
    Recurrent,
    Recursor,
    _tree,
    cells,
    nonzero_rows,
    unroll,
)
from ostinato.criteria import MaskZeroCriterion, SequencerCriterion

MAKERS: dict[str, Callable[[], Cell]] = {
    "lstm": lstm,
    "gru": gru,
    "learned": lambda: LearnedState(gru(reset="before")),
    "recurrent": lambda: Recurrent(5, nn.Linear(3, 5), nn.Linear(5, 5)),
}


def by_mask(cell: Cell, xs: Tensor) -> Tensor:
    mask = nonzero_rows(xs)
    return unroll(cell, xs, mask=mask, resets=~mask)[0]


def by_combinator(cell: Cell, xs: Tensor) -> Tensor:
    return unroll(MaskZero(cell), xs)[0]


def by_trimming(cell: Cell, xs: Tensor) -> Tensor:
    return unroll(MaskZero(cell, trim=True), xs)[0]


def by_compiling(cell: Cell, xs: Tensor) -> Tensor:
    return unroll(MaskZero(cell), xs, backend="fused")[0]


def by_stepping(cell: Cell, xs: Tensor) -> Tensor:
    stream = Recursor(MaskZero(cell))
    return torch.stack([stream(x) for x in xs])


WAYS = (by_mask, by_combinator, by_trimming, by_stepping, by_compiling)


def forgetting(cell: Cell, xs: Tensor) -> Tensor:
    """Each row alone, step by step, with a forget() in place of each row of zeros."""
    columns = []
    for row in xs.unbind(1):
        stream, ys = Recursor(cell), []
        for x in row:
            if x.any():
                ys.append(stream(x[None])[0])
            else:
                stream.forget()
                ys.append(x.new_zeros(5))
        columns.append(torch.stack(ys))
    return torch.stack(columns, dim=1)


def with_gradients(run: Callable[[Cell, Tensor], Tensor], cell: Cell, xs: Tensor) -> list[Tensor]:
    """ys, and the gradients of xs and of all parameters."""
    xs = xs.clone().requires_grad_()
    ys = run(cell, xs)
    weight = torch.linspace(-1, 1, ys.numel(), dtype=ys.dtype).reshape(ys.shape)
    wanted = [xs, *cell.parameters()]
    return [ys, *torch.autograd.grad((weight * ys).sum(), wanted, materialize_grads=True)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MAKERS)
def test_row_45_zero_rows_pad_and_part_sequences_as_forget_does(
    name: str, way: Callable[[Cell, Tensor], Tensor]
) -> None:
    """A zero row at the start, in the middle, at the end, several, all: equal to forget()."""
    cell = MAKERS[name]().double()
    xs = torch.randn(7, 6, 3, dtype=torch.float64)
    for row, gone in enumerate(([0], [3], [6], [0, 1, 4, 5], range(7), [])):
        xs[list(gone), row] = 0
    want = with_gradients(forgetting, cell, xs)
    got = with_gradients(way, cell, xs)
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    there = (xs != 0).any(-1)
    assert not got[0][~there].any()
    assert not got[1][~there].any()


def test_row_45_left_padding_gives_what_rows_alone_give() -> None:
    cell = lstm().double()
    rows = [torch.randn(n, 3, dtype=torch.float64) for n in (5, 1, 3)]
    padded = nn.utils.rnn.pad_sequence(rows, padding_side="left")
    ys = by_mask(cell, padded)
    for b, row in enumerate(rows):
        torch.testing.assert_close(ys[5 - len(row) :, b], unroll(cell, row[:, None])[0][:, 0])


def golden(name: str) -> list[Any]:
    return [pytest.param(case, id=key) for key, case in load(name).items()]


SEQUENCERS = {
    f"{name}-{key}": case
    for name in ("maskzero", "trimzero")
    for key, case in load(name).items()
    if key.startswith("sequencer_")
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SEQUENCERS)
def test_row_45_and_47_golden_recurrent_modules(
    name: str, way: Callable[[Cell, Tensor], Tensor]
) -> None:
    """FastLSTM, GRU and LSTM with maskZero and trimZero of the original."""
    case = SEQUENCERS[name]
    cell: Cell
    if "nn.LSTM" in case["construct"]:
        cell = cells.PeepholeLSTM(3, 4)
    else:
        cell = gru(3, 4, reset="before") if "GRU" in case["construct"] else lstm(3, 4)
    fill(cell, case)
    xs = tensor(case["input"]).requires_grad_()
    ys = way(cell, xs)
    close(ys, tensor(case["output"]))
    close(way(cell.eval(), xs), tensor(case["evalOutput"]))
    ys.backward(tensor(case["gradOutput"]))
    assert xs.grad is not None
    close(xs.grad, tensor(case["gradInput"]))
    check_gradients(cell, case["gradParams"], case)


def filled(module: nn.Module, case: Any) -> None:
    module.double()
    with torch.no_grad():
        for p, given in zip(module.parameters(), case["params"], strict=True):
            p.copy_(tensor(given))


class Side(nn.Module):
    """Torch's ``ParallelTable``: each module on its part of a tuple."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)

    def forward(self, xs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(part(x) for part, x in zip(self.parts, xs, strict=True))


def stateless(case: Any) -> nn.Module:
    """The module inside a golden MaskZero or TrimZero."""
    if "ParallelTable" in case["construct"]:
        return Side(
            nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Sequential(nn.Linear(2, 2), nn.Sigmoid())
        )
    if "Tanh" in case["construct"]:
        return nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    return nn.Linear(3, 4)


def tree(given: Any, case: Any) -> Any:
    """A recorded tensor, or a tuple of them where there are several side by side."""
    if isinstance(given, list):
        return tuple(tree(one, case) for one in given)
    made = tensor(given)
    return made[None] if case["batch"] is False else made


STATELESS = {
    f"{name}-{key}": case
    for name in ("maskzero", "trimzero")
    for key, case in load(name).items()
    if not key.startswith("sequencer_") and "error" not in case
}


@pytest.mark.parametrize("trim", [False, True])
@pytest.mark.parametrize("name", STATELESS)
def test_row_46_and_47_golden_modules(name: str, trim: bool) -> None:
    """MaskZero and TrimZero round stateless modules, and nested outputs."""
    case = STATELESS[name]
    module = stateless(case)
    filled(module, case)
    x = _tree.map(lambda leaf: leaf.requires_grad_(), tree(case["input"], case))
    y, _ = MaskZero(module, trim=trim)(x, ())
    dy = tree(case["gradOutput"], case)
    torch.autograd.backward(_tree.leaves(y), _tree.leaves(dy))
    for got, want in (
        (y, case["output"]),
        (_tree.map(lambda leaf: leaf.grad, x), case["gradInput"]),
    ):
        for a, b in zip(_tree.leaves(got), _tree.leaves(tree(want, case)), strict=True):
            close(a, b)
    for p, given in zip(module.parameters(), case["gradParams"], strict=True):
        want = tensor(given)
        if name == "maskzero-maskzero_linear_batch" and p.dim() == 1:
            # the original lets masked rows into the gradient of the bias
            want = want - dy[~x.any(-1)].sum(0)
        assert p.grad is not None
        close(p.grad, want)


@pytest.mark.parametrize("trim", [False, True])
def test_row_46_masked_rows_have_no_part_in_any_gradient(trim: bool) -> None:
    """Exactly none: output, gradient of x, and of every parameter; also where all are masked."""

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> dict[str, Any]:
            return {"a": self.a(x), "rest": (self.b(x).exp(), self.a(x).tanh())}

    module = Pair()
    x = torch.randn(5, 3)
    x[[1, 4]] = 0
    there = torch.tensor([True, False, True, True, False])

    def gradients(x: Tensor, wrap: Any) -> tuple[Any, Tensor, list[Tensor]]:
        x = x.clone().requires_grad_()
        y, _ = wrap(x)
        total = sum(leaf.sum() for leaf in _tree.leaves(y))
        dx, *rest = torch.autograd.grad(total, [x, *module.parameters()], materialize_grads=True)
        return y, dx, rest

    y, dx, dp = gradients(x, lambda x: MaskZero(module, trim=trim)(x, ()))
    alone, dx_alone, dp_alone = gradients(x[there], lambda x: (module(x), ()))
    assert all(not leaf[~there].any() for leaf in _tree.leaves(y))
    assert not dx[~there].any()
    for a, b in zip(_tree.leaves(y), _tree.leaves(alone), strict=True):
        torch.testing.assert_close(a[there], b)
    torch.testing.assert_close(dx[there], dx_alone)
    for a, b in zip(dp, dp_alone, strict=True):
        torch.testing.assert_close(a, b)
    y, dx, dp = gradients(torch.zeros(5, 3), lambda x: MaskZero(module, trim=trim)(x, ()))
    assert not any(leaf.any() for leaf in (*_tree.leaves(y), dx, *dp))


def test_row_47_rows_are_really_left_out() -> None:
    """Batch statistics are those of the rows that are there, which masking cannot do."""
    x = torch.randn(6, 3)
    x[2:4] = 0
    there = (x != 0).any(-1)
    seen = []
    norm = nn.BatchNorm1d(3)
    norm.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    y, _ = MaskZero(norm, trim=True)(x, ())
    assert seen == [4]
    torch.testing.assert_close(y[there], nn.BatchNorm1d(3)(x[there]))
    assert not y[~there].any()


def test_row_47_no_row_left() -> None:
    cell = MaskZero(lstm(), trim=True)
    y, state = cell(torch.zeros(2, 3), (torch.ones(2, 5), torch.ones(2, 5)))
    assert not any(leaf.any() for leaf in (y, *state))


@pytest.mark.parametrize("case", golden("lookuptablemaskzero"))
def test_row_48_index_0_of_an_embedding_is_padding(case: Any) -> None:
    """torch.nn.Embedding(n + 1, d, padding_idx=0) is LookupTableMaskZero(n, d)."""
    weight, index = tensor(case["params"][0]), tensor(case["input"]) + 1  # 0 is padding: as it is
    table = nn.Embedding(*weight.shape, padding_idx=0).double()
    assert not table.weight[0].any()
    with torch.no_grad():
        table.weight[1:] = weight[1:]
    out = table(index)
    close(out, tensor(case["output"]))
    assert not out[index == 0].any()
    out.backward(tensor(case["gradOutput"]))
    want = tensor(case["gradParams"][0])
    assert want[0].any()  # in the original the padding row gets a gradient
    want[0] = 0
    assert table.weight.grad is not None
    close(table.weight.grad, want)
    plain = nn.Embedding.from_pretrained(weight[1:])
    assert torch.equal(out[index > 0], plain(index[index > 0] - 1))
    with pytest.raises(IndexError):
        table(torch.tensor([len(weight)]))


def test_row_48_its_zero_vectors_mask_what_follows() -> None:
    table, cell = nn.Embedding(8, 3, padding_idx=0), gru()
    index = torch.randint(1, 8, (6, 2))
    index[:2, 0] = index[3, 1] = 0
    assert torch.equal(nonzero_rows(index), index != 0)
    assert torch.equal(nonzero_rows(table(index)), index != 0)
    torch.testing.assert_close(by_combinator(cell, table(index)), by_mask(cell, table(index)))


@pytest.mark.parametrize("case", golden("lookuptable"))
def test_row_48_lookup_tables(case: Any) -> None:
    """The plain LookupTable, its paddingValue and scaleGradByFreq, by torch."""
    weight = tensor(case["params"][0])
    padding = case["args"].get("paddingValue")
    table = nn.Embedding(
        *weight.shape,
        padding_idx=None if padding is None else padding - 1,
        scale_grad_by_freq="scaleGradByFreq" in case["construct"],
    ).double()
    with torch.no_grad():
        table.weight.copy_(weight)
    out = table(tensor(case["input"]))
    close(out, tensor(case["output"]))
    out.backward(tensor(case["gradOutput"]))
    assert table.weight.grad is not None
    close(table.weight.grad, tensor(case["gradParams"][0]))


@pytest.mark.parametrize("case", golden("maskzerocriterion"))
def test_row_49_golden_criteria(case: Any) -> None:
    one: nn.Module = nn.MSELoss() if case["args"]["criterion"] == "MSE" else nn.NLLLoss()
    criterion = MaskZeroCriterion(one)
    if "Sequencer" in case["module"]:
        criterion = SequencerCriterion(criterion)
    inputs, targets = tensor(case["input"]).requires_grad_(), tensor(case["target"])
    loss = criterion(inputs, targets)
    close(loss, torch.tensor(case["loss"], dtype=torch.float64))
    loss.backward()
    assert inputs.grad is not None
    close(inputs.grad, tensor(case["gradInput"]))


def test_row_49_mean_over_the_rows_that_are_there() -> None:
    criterion = MaskZeroCriterion(nn.NLLLoss())
    inputs = torch.tensor([[0.0, 0.0], [-5.0, -1.0]], requires_grad=True)
    targets = torch.tensor([0, 1])
    loss = criterion(inputs, targets)
    assert loss.item() == 1
    loss.backward()
    assert torch.equal(inputs.grad, torch.tensor([[0.0, 0.0], [0.0, -1.0]]))
    nothing = torch.zeros(2, 2, requires_grad=True)
    loss = criterion(nothing, targets)
    loss.backward()
    assert loss.item() == 0
    assert not nothing.grad.any()


def test_row_50_softmax_loss_over_time_by_torch() -> None:
    """MinPy's temporal_softmax_loss: the sum over time and rows that are there, over N."""
    scores, targets = torch.randn(4, 3, 6, requires_grad=True), torch.randint(6, (4, 3))
    mask = torch.rand(4, 3) < 0.6
    loss = F.cross_entropy(scores[mask], targets[mask], reduction="sum") / scores.shape[1]
    probabilities = scores.detach().double().softmax(-1)
    total = 0.0
    for t in range(4):
        for b in range(3):
            if mask[t, b]:
                total -= probabilities[t, b, targets[t, b]].log().item()
    assert abs(loss.item() - total / 3) < 1e-5
    loss.backward()
    assert not scores.grad[~mask].any()
    # without a mask it is the sum over time of the mean over the batch
    want = F.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="sum") / 3
    torch.testing.assert_close(SequencerCriterion(nn.CrossEntropyLoss())(scores, targets), want)


def test_row_51_three_ways_to_the_last_step_of_each_row() -> None:
    """Padded batches by torch; the last step by length, by one-hot length, and by the state."""
    rows = [torch.randn(n, 3) for n in (4, 2, 3)]
    lengths = torch.tensor([len(row) for row in rows])
    xs = nn.utils.rnn.pad_sequence(rows)  # [T, B, 3]
    back = nn.utils.rnn.unpad_sequence(xs.clone(), lengths)  # which transposes what it is given
    assert all(torch.equal(a, b) for a, b in zip(back, rows, strict=True))
    assert torch.equal(nonzero_rows(xs).sum(0), lengths)
    cell = gru()
    wanted = [xs, *cell.parameters()]
    xs.requires_grad_()
    ys, state = unroll(cell, xs, lengths=lengths)
    by_length = ys[lengths - 1, torch.arange(3)]
    indicator = F.one_hot(lengths - 1, len(xs)).T.to(ys.dtype)  # [T, B]
    by_indicator = torch.einsum("tbh,tb->bh", ys, indicator)
    gradients = []
    for one in (state, by_length, by_indicator):
        torch.testing.assert_close(one, state)
        gradients.append(torch.autograd.grad(one.square().sum(), wanted, retain_graph=True))
    for one in gradients[1:]:
        for a, b in zip(one, gradients[0], strict=True):
            torch.testing.assert_close(a, b)
    alone = torch.cat([unroll(cell, row[:, None])[1] for row in rows])
    torch.testing.assert_close(state, alone)
