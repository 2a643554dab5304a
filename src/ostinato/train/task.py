"""What a solver needs of a task; every kind of task is one class of this shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from torch import Tensor, nn

from ostinato.typing import State


class Task(Protocol):
    """A model, its data, and what to make small. A task of another kind has the same shape."""

    @property
    def name(self) -> str:
        """What `ostinato train` calls it."""
        ...

    @property
    def unit(self) -> str:
        """What is counted for the speed, such as "tokens"."""
        ...

    @property
    def curve(self) -> tuple[str, str]:
        """The figure that its curves show, a key of `validate`, and its name for people."""
        ...

    @property
    def batch_units(self) -> int:
        """Units in a batch."""
        ...

    @property
    def model(self) -> nn.Module:
        """What is trained."""
        ...

    def __len__(self) -> int:
        """Batches in an epoch."""
        ...

    def batches(self, epoch: int, start: int) -> Iterator[Any]:
        """The batches of an epoch from number `start` on, always the same for the same epoch."""
        ...

    def initial_state(self) -> State:
        """The state at the start of an epoch; ``()`` where nothing is carried."""
        ...

    def loss(self, batch: Any, state: State) -> tuple[Tensor, State]:
        """The loss to minimise, a scalar, and the state to carry on, by value."""
        ...

    def figures(self, loss: float) -> Mapping[str, float]:
        """What a training loss means in other units; names as in `validate`."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Figures on held-out data, quickly; "loss" is the one to minimise."""
        ...

    def sample(self, step: int) -> str:
        """Something to look at: what the model makes now. Must not touch the random state."""
        ...
