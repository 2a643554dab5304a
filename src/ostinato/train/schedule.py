"""Learning-rate schedules by name, on torch.optim.lr_scheduler."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, final

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau


class Wanted(Protocol):
    """The settings that a schedule is made of; `TrainSettings` has them."""

    @property
    def schedule(self) -> str: ...
    @property
    def warm_up(self) -> float: ...
    @property
    def final_lr(self) -> float: ...
    @property
    def lr_decay(self) -> float: ...
    @property
    def decay_after(self) -> int: ...


ByEpoch = Callable[[float], float]
"""The share of the learning rate by the epochs done: 2.5 in the middle of the third."""


def linear_decay(floor: float, saturate: int) -> ByEpoch:
    """Less by the same amount at each epoch, down to ``floor``, a share, after ``saturate`` epochs.

    Torch rnn's ``--startlr``, ``--minlr`` (here minlr / startlr) and ``--saturate``.
    """
    return lambda epochs: max(floor, 1 + (floor - 1) / saturate * int(epochs))


def stepwise(table: Mapping[int, float]) -> ByEpoch:
    """The share that a table has for so many epochs done, or for the last number before; else 1.

    Torch rnn's ``--schedule``, whose epochs count from 1: its {[5]=0.5} is {4: 0.5} here.
    """
    return lambda epochs: next((table[n] for n in sorted(table, reverse=True) if n <= epochs), 1.0)


def inverse_decay(decay: float) -> ByEpoch:
    """1 / (1 + k * decay) after k epochs, as Torch's ``nn.StochasticGradient`` has it."""
    return lambda epochs: 1 / (1 + int(epochs) * decay)


def _constant(done: float, final: float) -> float:
    return 1.0


def _linear(done: float, final: float) -> float:
    return 1 - (1 - final) * done


def _cosine(done: float, final: float) -> float:
    return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2


def _hold(done: float, final: float) -> float:
    # Constant, then linear in the last 40% (Hägele et al. 2024, arXiv 2405.18392).
    return 1.0 if done < 0.6 else _linear((done - 0.6) / 0.4, final)


def _onecycle(done: float, final: float) -> float:
    # Smith 2018 (arXiv 1803.09820), with the shares and the start of torch's OneCycleLR.
    rise, start = 0.3, 1 / 25
    if done < rise:
        return 1 + (start - 1) * (1 + math.cos(math.pi * done / rise)) / 2
    return _cosine((done - rise) / (1 - rise), final)


def _exponential(decay: float, after: int, epochs: float) -> float:
    return decay ** max(0, int(epochs) - after + 1)


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": _constant,
    "linear": _linear,
    "cosine": _cosine,
    "hold": _hold,
    "onecycle": _onecycle,
    "plateau": _constant,
    "exponential": _constant,
}
"""The share of the learning rate by the share of the steps done, in [0, 1].

"plateau" goes by the validations and "exponential" by the epochs, on top of it.
"""

# These say themselves how the learning rate begins, so warm_up does not apply to them.
_OWN_START = ("onecycle", "plateau", "exponential")

# Validations without a better one after which plateau halves the learning rate.
_PLATEAU_PATIENCE, _PLATEAU_FACTOR = 2, 0.5


@final
class Schedule:
    """Sets the learning rate of an optimiser after each step, and, for plateau, each validation.

    ``by_epoch`` takes the place of the schedule that the settings name. All groups of the
    optimiser follow, each from its own learning rate.
    """

    def __init__(
        self,
        optimiser: Optimizer,
        settings: Wanted,
        total_steps: int,
        steps_per_epoch: int = 1,
        by_epoch: ByEpoch | None = None,
    ) -> None:
        shape = SCHEDULES[settings.schedule]
        own_start = settings.schedule in _OWN_START
        warm_up = 0 if own_start else round(settings.warm_up * total_steps)
        if by_epoch is None and settings.schedule == "exponential":
            by_epoch = partial(_exponential, settings.lr_decay, settings.decay_after)

        def factor(step: int) -> float:
            if by_epoch is not None:
                return by_epoch(step / steps_per_epoch)
            if step < warm_up:
                return (step + 1) / warm_up
            done = (step - warm_up) / max(1, total_steps - warm_up)
            return shape(min(1.0, done), settings.final_lr)

        self._optimiser = optimiser
        if settings.schedule == "plateau" and by_epoch is None:
            self._by_step = None
            self._by_loss = ReduceLROnPlateau(
                optimiser, factor=_PLATEAU_FACTOR, patience=_PLATEAU_PATIENCE
            )
        else:
            self._by_step, self._by_loss = LambdaLR(optimiser, factor), None

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self._optimiser.param_groups[0]["lr"])

    def stepped(self) -> None:
        """Tell that the optimiser has made a step."""
        if self._by_step is not None:
            self._by_step.step()

    def validated(self, loss: float) -> None:
        """Tell the loss of a validation."""
        if self._by_loss is not None:
            self._by_loss.step(loss)

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs to go on, ready for JSON."""
        return (self._by_step or self._by_loss).state_dict()  # pyright: ignore

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        (self._by_step or self._by_loss).load_state_dict(state)  # pyright: ignore
