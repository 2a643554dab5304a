"""Any module and any criterion on any batches of inputs and targets, as a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any, Protocol, final

import torch
from torch import Tensor, nn

from ostinato.errors import ArgumentError
from ostinato.typing import State


class Pairs(Sized, Iterable[tuple[Any, Tensor]], Protocol):
    """(inputs, targets) with a length: a list, a torch ``DataLoader``."""


@final
class Supervised:
    """``criterion(model(inputs), targets)`` is made small; has the shape of `Task`.

    ``train`` is read once an epoch, ``held_out`` at each validation; without it the batches of
    training are measured. With ``kind="classification"`` the last dimension of the outputs
    [..., C] holds the scores of the classes in targets [...], and "accuracy" is measured too;
    with "regression" the loss alone. Whatever the kind, the best weights are those of the lowest
    loss. An interrupted run goes on bit for bit where the batches of an epoch come in the same
    order each time it is read; a shuffling ``DataLoader`` draws another.
    """

    name, unit, batch_units = "supervised", "batches", 1

    def __init__(
        self,
        model: nn.Module,
        criterion: Callable[[Any, Tensor], Tensor],
        train: Pairs,
        held_out: Pairs | None = None,
        *,
        kind: str = "regression",
    ) -> None:
        if kind not in ("regression", "classification"):
            raise ArgumentError("kind", wanted="regression or classification", got=repr(kind))
        self.model, self.criterion, self.kind = model, criterion, kind
        self.train, self.held_out = train, train if held_out is None else held_out
        self.curve = ("loss", "loss")

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.train)

    def batches(self, epoch: int, start: int) -> Iterator[tuple[Any, Tensor]]:
        """The batches of an epoch from number ``start`` on."""
        return islice(iter(self.train), start, None)

    def initial_state(self) -> State:
        """Nothing is carried."""
        return ()

    def loss(self, batch: tuple[Any, Tensor], state: State) -> tuple[Tensor, State]:
        """The criterion of a batch, a scalar."""
        inputs, targets = batch
        return self.criterion(self.model(inputs), targets), state

    def figures(self, loss: float) -> dict[str, float]:
        """A training loss is what it is."""
        return {}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """The mean held-out loss, each batch counting by its targets; with classes the accuracy."""
        training, sums, total = self.model.training, {"loss": 0.0, "accuracy": 0.0}, 0
        self.model.eval()
        for inputs, targets in self.held_out:
            outputs = self.model(inputs)
            total += targets.numel()
            sums["loss"] += self.criterion(outputs, targets).item() * targets.numel()
            if self.kind == "classification":
                sums["accuracy"] += (outputs.argmax(-1) == targets).sum().item()
        self.model.train(training)
        names = ("loss", "accuracy") if self.kind == "classification" else ("loss",)
        return {name: sums[name] / total for name in names}

    def sample(self, step: int) -> str:
        """Nothing to look at."""
        return ""
