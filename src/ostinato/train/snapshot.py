"""That a snapshot is one of a solver of the same task, before anything is taken from it.

Its numbers are safe by their checksums; but a file may be another version's, another run's or
anyone's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ostinato.data.typed import check_fields, shown
from ostinato.errors import ArgumentError
from ostinato.train.checkpoint import CheckpointError, described
from ostinato.train.progress import Best, Progress

PARTS = {"progress": get_type_hints(Progress), "best": {**get_type_hints(Best), "weights": Any}}
"""The fields of the branches of a snapshot that are read by themselves."""


_KEEPING = ("momentum", "amsgrad", "centered")
_OTHERS = ("state", "random", "random_of_others", "sizes")


def no_snapshot(got: str, source: str = "snapshot") -> CheckpointError:
    """The error for what a solver cannot go on from."""
    return CheckpointError(
        source,
        wanted="what a solver of this task and these settings has saved",
        got=got,
        remedy="It may be of another version of ostinato, or of another run.",
    )


def check_part(name: str, value: object) -> None:
    """Raise ArgumentError where a branch of `PARTS` has not its fields, or one below 0."""
    check_fields(name, value, PARTS[name])
    assert isinstance(value, dict)
    if name == "progress" and not min(value.values()) >= 0:
        raise ArgumentError(name, wanted="numbers of at least 0", got=shown(value))


def check_snapshot(snapshot: Mapping[str, Any], ours: Mapping[str, Any], *, batches: int) -> None:
    """Raise CheckpointError where a snapshot has not the form of ours.

    ``batches`` is the number in an epoch, which its place has to be within.
    """
    try:
        missing = [name for name in (*ours, *_OTHERS) if name not in snapshot]
        if missing:
            raise no_snapshot(f"one without {', '.join(missing)}")
        for name in PARTS:
            check_part(name, snapshot[name])
    except ArgumentError as error:
        raise no_snapshot(str(error)) from error
    progress = snapshot["progress"]
    if not progress["batch"] < batches:
        raise no_snapshot(f"one at a place that is not in the data: {shown(progress)}")
    if snapshot["best"]["weights"]:
        _check("best: weights", snapshot["best"]["weights"], ours["model"])
    for name in ("schedule", "average"):
        _check(name, snapshot[name], ours[name])
    _check("groups", snapshot["optimiser"]["param_groups"], ours["optimiser"]["param_groups"])


def check_moments(theirs: object, optimiser: Optimizer) -> None:
    """Raise CheckpointError where what an optimiser had for each weight does not fit those of ours.

    Ours knows nothing of them before its first step, so one for a single number says the names.
    """
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state = theirs.get("state") if isinstance(theirs, dict) else None
    known = {str(number): weight for number, weight in enumerate(weights)}
    if not isinstance(state, dict) or not state.keys() <= known.keys():
        raise no_snapshot("optimiser: state of another form")
    alone = nn.Parameter(torch.zeros(1))
    alone.grad = torch.zeros(1)
    # the options on which it depends what is kept
    options = {name: v for name, v in optimiser.defaults.items() if name in _KEEPING}
    example = type(optimiser)([alone], **options)
    example.step()
    for number, moments in state.items():
        wanted = {
            name: torch.zeros_like(known[number]) if value.dim() else value
            for name, value in example.state[alone].items()
            if isinstance(value, Tensor)
        }
        if not isinstance(moments, dict) or not wanted.keys() <= moments.keys():
            raise no_snapshot(f"optimiser: state: {number} without {', '.join(wanted)}")
        for name, value in wanted.items():
            _check(f"optimiser: state: {number}: {name}", moments[name], value)


def _check(path: str, theirs: Any, ours: Any) -> None:
    """Raise CheckpointError where a tree has other names, or values of another kind, than ours."""
    if isinstance(ours, Mapping):
        if not isinstance(theirs, dict) or not theirs.keys() <= ours.keys():
            raise no_snapshot(f"{path} of another form")
        for name, value in theirs.items():
            _check(f"{path}: {name}", value, ours[name])
    elif isinstance(ours, list | tuple):
        if not isinstance(theirs, list | tuple) or len(theirs) != len(ours):
            raise no_snapshot(f"{path} of another length")
        for one, other in zip(theirs, ours, strict=True):
            _check(path, one, other)
    elif not _alike(theirs, ours):
        raise no_snapshot(f"{path}: {described(theirs)} in place of {described(ours)}")


def _alike(theirs: Any, ours: Any) -> bool:
    if ours is None or theirs is None:  # what is not known at first
        return True
    if isinstance(ours, Tensor) or isinstance(theirs, Tensor):
        return described(theirs) == described(ours)
    numbers = isinstance(theirs, int | float) and isinstance(ours, int | float)
    return numbers or type(theirs) is type(ours)
