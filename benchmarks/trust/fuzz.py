"""Public functions called with any arguments: equal to the plain loop, or refused in our words."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

import ostinato
from benchmarks.trust.check import Check, Outcome
from benchmarks.trust.values import IN, H, Values
from ostinato import _tree, attention, cells, criteria, torch7
from ostinato.backends.plan import NAMES
from ostinato.errors import OstinatoError

# Rounding of float32 in another order of sums, over a few steps.
_RTOL, _ATOL = 2e-4, 5e-5
# Share of the accepted calls of which gradients are compared as well.
_GRADIENTS = 0.1
# Share of the calls that get one wrong argument.
_WRONG = 0.5

Call = tuple[str, Callable[..., Any], dict[str, Any]]


class Fuzz:
    """Makes calls; the cells are made once, as compiling is no part of what is tried."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.values = chance, Values(chance)
        torch.manual_seed(chance.randrange(2**31))
        made: list[nn.Module] = [
            cells.Elman(IN, H),
            cells.LSTM(IN, H),
            cells.LSTM(IN, H, proj_size=2, layer_norm=True),
            cells.GRU(IN, H),
            cells.GRU(IN, H, reset="before"),
            cells.PeepholeLSTM(IN, H),
            cells.MGU(IN, H),
            cells.IndRNN(IN, H),
            cells.SRU(IN, H),
            cells.MinGRU(IN, H),
            cells.RecurrentHighway(IN, H),
            cells.MuFuRu(IN, H),
            ostinato.Stack(cells.GRU(IN, H), cells.LSTM(H, H), nn.Linear(H, 2)),
            ostinato.Residual(cells.GRU(IN, IN)),
            ostinato.MaskZero(cells.LSTM(IN, H)),
            ostinato.Recurrence(nn.GRUCell(IN, H), H),
        ]
        self.cells = [cell.eval() for cell in made]
        self.doubles = [cell.double().eval() for cell in (cells.LSTM(IN, H), cells.GRU(IN, H))]
        self.layers = [ostinato.nn.LSTM(IN, H), ostinato.nn.GRU(IN, H, 2), ostinato.nn.RNN(IN, H)]
        self.shells = [
            ostinato.Sequencer(cells.GRU(IN, H)),
            ostinato.Repeater(cells.LSTM(IN, H), 3),
        ]
        self.shells += [
            ostinato.BiSequencer(cells.GRU(IN, H)),
            ostinato.Recursor(cells.LSTM(IN, H)),
        ]
        self.kinds = [getattr(cells, name) for name in cells.__all__]
        self.makers = (
            *[self.unroll] * 10,
            self.explain,
            self.steps,
            self.steps,
            *[self.layer] * 3,
            *[self.shell] * 3,
            self.maker,
            self.loss,
            self.glimpse,
            self.old_model,
            self.state,
        )

    def calls(self, times: int) -> Iterator[Outcome]:
        """So many calls and how they ended."""
        for _ in range(times):
            name, function, arguments = self.chance.choice(self.makers)()
            # what a criterion of torch takes is up to torch
            ours = [each for each in sorted(arguments) if each not in ("inputs", "targets")]
            if ours and self.values.maybe(_WRONG):
                spoilt = self.chance.choice(ours)
                arguments[spoilt] = self.values.wrong(arguments[spoilt])
            yield self.judged(name, function, arguments)

    def judged(self, name: str, function: Callable[..., Any], arguments: dict[str, Any]) -> Outcome:
        """How a call ends, beside the same call of the plain loop where there is one."""
        try:
            found = function(**arguments)
        except OstinatoError:
            return Outcome(name, "refused")
        except Exception as error:
            return Outcome(name, "not our words", f"{error!r} for {_shown(arguments)}"[:600])
        if name != "unroll" or arguments.get("backend") == "eager":
            return Outcome(name, "harmless")
        eager = {**arguments, "backend": "eager", "checkpoint": None}
        if not _close(found, ostinato.unroll(**eager)):
            return Outcome(name, "other values than eager", _shown(arguments)[:600])
        if self.values.maybe(_GRADIENTS) and not _close(*map(_gradients, (arguments, eager))):
            return Outcome(name, "other gradients than eager", _shown(arguments)[:600])
        return Outcome(name, "as eager")

    def sizes(self) -> tuple[int, int]:
        """(T, B), sometimes none."""
        return self.chance.randint(0, 6), self.chance.randint(0 if self.values.maybe(0.1) else 1, 4)

    def unroll(self) -> Call:
        """A cell over a sequence, with some of the options."""
        double = self.values.maybe(0.15)
        cell = self.chance.choice(self.doubles if double else self.cells)
        steps, rows = self.sizes()
        dtype = torch.float64 if double else torch.float32
        arguments: dict[str, Any] = {
            "cell": cell,
            "xs": self.values.numbers(steps, rows, IN, dtype=dtype),
            "backend": self.chance.choice(NAMES if self.values.maybe(0.5) else ("auto", "fused")),
        }
        if self.values.maybe(0.4):
            arguments["state"] = _tree.map(
                lambda leaf: self.values.numbers(*leaf.shape, dtype=leaf.dtype),
                cell.initial_state(rows),  # pyright: ignore[reportCallIssue]
            )
        kind = self.chance.randrange(4)
        if kind == 1:
            arguments["lengths"] = self.values.lengths(steps, rows)
        elif kind == 2:
            arguments["mask"] = self.values.flags(steps, rows)
        if self.values.maybe(0.2):
            arguments["resets"] = self.values.flags(steps, rows, 0.3)
        if self.values.maybe(0.2):
            arguments["reverse"] = True
        if self.values.maybe(0.15):
            arguments["checkpoint"] = self.chance.randint(1, 8)
        return "unroll", ostinato.unroll, arguments

    def explain(self) -> Call:
        """The same for `explain`."""
        _, _, arguments = self.unroll()
        arguments.pop("checkpoint", None)
        return "explain", ostinato.explain, arguments

    def steps(self) -> Call:
        """What moves and cuts steps."""
        steps, rows = self.sizes()
        xs = self.values.numbers(steps, rows, IN)
        kind = self.chance.randrange(5)
        if kind == 0:
            return "last", ostinato.last, {"ys": xs, "lengths": self.values.lengths(steps, rows)}
        if kind == 1:
            return (
                "reverse",
                ostinato.reverse,
                {"xs": xs, "lengths": self.values.lengths(steps, rows)},
            )
        if kind == 2:
            return "nonzero_rows", ostinato.nonzero_rows, {"xs": xs}
        if kind == 3:
            return "detach", ostinato.detach, {"state": (xs, {"a": xs})}

        def cut(xs: Any, length: Any) -> list[Any]:
            return list(ostinato.chunks(xs, length))

        return "chunks", cut, {"xs": xs, "length": self.chance.randint(1, 4)}

    def layer(self) -> Call:
        """A drop-in for torch.nn."""
        layer = self.chance.choice(self.layers)
        steps, rows = self.sizes()
        arguments: dict[str, Any] = {"input": self.values.numbers(steps, rows, IN)}
        size = (2 if layer is self.layers[1] else 1, rows, H)
        if self.values.maybe(0.4):
            h = self.values.numbers(*size)
            arguments["hx"] = (h, self.values.numbers(*size)) if layer is self.layers[0] else h
        if self.values.maybe(0.4):
            arguments["lengths"] = self.values.lengths(steps, rows)
        return f"nn.{type(layer).__name__}", layer, arguments

    def shell(self) -> Call:
        """A shell that keeps its state."""
        shell = self.chance.choice(self.shells)
        steps, rows = self.sizes()
        one = isinstance(shell, ostinato.Repeater | ostinato.Recursor)
        xs = self.values.numbers(rows, IN) if one else self.values.numbers(steps, rows, IN)
        name = type(shell).__name__
        if isinstance(shell, ostinato.Recursor | ostinato.Sequencer):
            shell.forget()

        def run(x: Any) -> Any:
            return shell(x)

        return name, run, {"x": xs}

    def maker(self) -> Call:
        """A cell made of sizes and options."""
        arguments: dict[str, Any] = {
            "input_size": self.chance.randint(1, 5),
            "hidden_size": self.chance.randint(1, 5),
        }
        kind = self.chance.choice(self.kinds)
        if kind in (cells.LSTM, cells.GRU, cells.Elman) and self.values.maybe(0.5):
            arguments["init_hh"] = self.chance.choice(["orthogonal", "identity", "xavier", "zeros"])
            arguments["dtype"] = self.chance.choice([None, torch.float32, torch.float64])
        return f"cells.{kind.__name__}", kind, arguments

    def loss(self) -> Call:
        """A criterion over a sequence."""
        steps, rows = self.sizes()
        scores = self.values.numbers(steps, rows, 5)
        arguments: dict[str, Any] = {
            "inputs": scores,
            "targets": torch.randint(5, (steps, rows)),
        }
        if self.values.maybe(0.4):
            arguments["lengths"] = self.values.lengths(steps, rows)
        made = criteria.SequencerCriterion(nn.CrossEntropyLoss())
        return "SequencerCriterion", made, arguments

    def glimpse(self) -> Call:
        """Patches of images."""
        rows = self.chance.randint(1, 3)
        return (
            "glimpse",
            attention.glimpse,
            {
                "images": self.values.numbers(rows, 1, 6, 7),
                "locations": self.values.numbers(rows, 2),
                "size": self.chance.randint(1, 4),
                "depth": self.chance.randint(1, 3),
                "scale": self.chance.randint(1, 3),
            },
        )

    def old_model(self) -> Call:
        """The parameters of an old cell."""
        cell = cells.LSTM(IN, H)
        tensors = torch7.export(cell, "nn.FastLSTM")

        def load(module: Any, tensors: Any, layout: Any) -> Any:
            return torch7.load(module, tensors, layout)

        return "torch7.load", load, {"module": cell, "tensors": tensors, "layout": "nn.FastLSTM"}

    def state(self) -> Call:
        """The first state of a cell, for so many rows."""
        cell = self.chance.choice(self.cells)

        def make(batch_size: Any) -> Any:
            return cell.initial_state(batch_size)  # pyright: ignore[reportCallIssue]

        return "initial_state", make, {"batch_size": self.chance.randint(0, 5)}


def _size(tensor: Tensor) -> float:
    """The largest number, as sums of many round by the largest of them; at least 1."""
    finite = tensor[tensor.isfinite()]
    return max(1.0, finite.abs().max().item()) if len(finite) else 1.0


def _gradients(arguments: dict[str, Any]) -> list[Tensor]:
    """The gradients of a call by its xs and the weights of its cell."""
    xs = arguments["xs"].detach().clone().requires_grad_()
    ys, _ = ostinato.unroll(**{**arguments, "xs": xs})
    by = [xs, *arguments["cell"].parameters()]
    if not ys.requires_grad:
        return []
    found = torch.autograd.grad(ys.sum(), by, allow_unused=True)
    return [torch.zeros_like(p) if g is None else g for p, g in zip(by, found, strict=True)]


def _close(found: Any, wanted: Any) -> bool:
    ours, theirs = (_tree.leaves(tuple(each)) for each in (found, wanted))
    return len(ours) == len(theirs) and all(
        one.shape == two.shape
        and one.dtype == two.dtype
        and torch.allclose(one, two, rtol=_RTOL, atol=_ATOL * _size(two), equal_nan=True)
        for one, two in zip(ours, theirs, strict=True)
    )


def _shown(arguments: dict[str, Any]) -> str:
    def said(value: Any) -> str:
        if isinstance(value, Tensor):
            return f"{_tree.describe(value)} {value.dtype}"
        return repr(value)[:150]

    return ", ".join(f"{name}={said(value)}" for name, value in arguments.items())


def fuzz(times: int, chance: random.Random) -> Iterator[Outcome]:
    """So many calls of public functions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about odd tensors
        yield from Fuzz(chance).calls(times)


FUZZ = Check(
    "fuzz",
    "Public functions with any arguments",
    "`unroll` and `explain` with all their options, drop-ins, shells, criteria, glimpses, cells "
    "and others are called with good arguments, odd ones (NaN, empty, transposed, expanded) and, "
    "every other time, one wrong one of any type. A call is refused by an error of ours, or is "
    "accepted; values of `unroll` are then those of the plain loop to rounding.",
    1_000_000,
    400,
    fuzz,
)
