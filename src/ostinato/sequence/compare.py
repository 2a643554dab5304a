"""A user's own cell and call on all backends, compared with the plain loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ostinato import _tree
from ostinato.backends.call import Call
from ostinato.backends.compare import Deviation, compared, fresh, results, run_loop
from ostinato.backends.plan import NAMES, Segment, execute
from ostinato.errors import BackendError, ShapeError
from ostinato.sequence.unroll import prepare
from ostinato.typing import State, Tree

NOISE = "not compared: the step draws random numbers, in another order on each backend"


@dataclass(frozen=True)
class Line:
    """What came of one backend."""

    backend: str
    ran: str
    """The backends that ran the cell and its parts, or why none did."""
    values: Deviation | None = None
    """The result of all values that is furthest from the loop's, by what is allowed."""
    gradients: Deviation | None = None

    @property
    def wrong(self) -> bool:
        """Whether it gave other numbers than the loop."""
        return any(one is not None and one.wrong for one in (self.values, self.gradients))

    def __str__(self) -> str:
        return row(self.backend, told(self.values), told(self.gradients), self.ran)


def row(backend: str, values: str, gradients: str, ran: str) -> str:
    """A row of the table."""
    return f"{backend:<9}{values:<28}{gradients:<28}{ran}"


def told(one: Deviation | None) -> str:
    """A deviation in a cell of the table, relative to the largest entry."""
    if one is None:
        return "-"
    size = max(one.scale, torch.finfo(torch.float32).tiny)
    return f"{one.off / size:.1e} of {one.allowed / size:.1e} allowed"


@dataclass(frozen=True, repr=False)
class Comparison:
    """How far each backend is from the plain loop; printed, a table."""

    title: str
    lines: tuple[Line, ...]

    def __str__(self) -> str:
        head = row("backend", "values", "gradients", "who runs it")
        return "\n".join([self.title, head, *map(str, self.lines)])

    __repr__ = __str__


def check(
    cell: nn.Module,
    xs: Tree,
    state: State = None,
    *,
    lengths: Tensor | Sequence[int] | None = None,
    mask: Tensor | None = None,
    resets: Tensor | None = None,
    reverse: bool = False,
) -> Comparison:
    """Run a call of `unroll` on every backend and compare it with the plain loop; print the result.

    Takes the arguments of `unroll` (T >= 1). Outputs, the last state and, where gradients are on,
    those of xs, of the state and of all parameters that require them are compared; how far they
    may be apart follows from how far the loop is from itself in the other precision. A step that
    draws random numbers is not compared, as each backend draws in an order of its own: put the
    cell into evaluation mode, or rely on the trial that every compiled cell goes through on first
    use, with the same numbers for both.

    Raises BackendError where a backend gives other numbers than the loop, and the errors of
    `unroll` for arguments that do not fit.
    """
    call = prepare(cell, xs, state, lengths, mask, resets, reverse)
    if call.num_steps == 0:
        raise ShapeError(
            "xs",
            wanted="at least one step to compare",
            got=str(list(call.sample.shape)),
            remedy="Pass a short sequence with numbers such as yours.",
        )
    noisy = draws(call)
    names = [name for name in NAMES if name != "eager"]
    lines = tuple(Line(name, NOISE) if noisy else line(call, name) for name in names)
    sizes = _tree.describe(call.xs)
    title = f"{type(call.cell).__name__}, xs {sizes}: how far from the Python loop"
    made = Comparison(title, lines)
    if any(one.wrong for one in lines):
        raise BackendError(
            "cell",
            wanted="the numbers of the plain loop on every backend",
            got=f"others\n{made}\n",
            remedy='This is a fault of ours, please report it; backend="eager" is right.',
        )
    return made


def draws(call: Call) -> bool:
    """Whether the step takes random numbers of torch's."""
    with torch.random.fork_rng(), torch.no_grad():  # pyright: ignore[reportUnknownMemberType]
        before = torch.get_rng_state()
        run_loop(fresh(call))
        return not torch.equal(before, torch.get_rng_state())


def line(call: Call, name: str) -> Line:
    """One backend beside the loop."""
    journal: list[Segment] = []
    call = fresh(call)
    try:
        made = execute(call, name, journal)
    except BackendError as refusal:
        return Line(name, f"none: {refusal.got.split(': ', 1)[-1]}")
    found = compared(call, results(call, made))
    gradients = [one for one in found if one.name.startswith("gradient")]
    values = [one for one in found if one not in gradients]
    ran = ", ".join(dict.fromkeys(s.backend for s in journal if s.backend))
    return Line(name, ran, furthest(values), furthest(gradients))


def furthest(found: list[Deviation]) -> Deviation | None:
    """The deviation that takes most of what it is allowed."""
    return max(found, key=lambda one: one.off / max(one.allowed, 1e-30), default=None)
