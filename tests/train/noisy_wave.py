"""A tiny task that has all that can make a run differ: state, dropout, chance."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from ostinato import HeldDropout, Stack, cells, detach, unroll
from ostinato.typing import State


class Wave:
    """Predict the next value of a noisy wave; batches [T, B, 1] of 5 an epoch."""

    name, unit, curve = "wave", "steps", ("loss", "squared error")
    batch_units = 8 * 3

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.model: nn.Module = Stack(
            cells.LSTM(1, 5), HeldDropout(5, 0.3), nn.Dropout(0.2), nn.Linear(5, 1)
        )
        self.validations: list[float] = []

    def __len__(self) -> int:
        return 5

    def batches(self, epoch: int, start: int) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(epoch)
        noise = torch.randn(41, 3, 1, generator=generator) / 10
        wave = torch.arange(41.0)[:, None, None].sin() + noise
        return (wave[i * 8 : i * 8 + 9] for i in range(start, 5))

    def initial_state(self) -> State:
        return self.model.initial_state(3)

    def loss(self, batch: Tensor, state: State) -> tuple[Tensor, State]:
        ys, state = unroll(self.model, batch[:-1], state)
        return (ys - batch[1:]).square().mean(), detach(state)

    def figures(self, loss: float) -> dict[str, float]:
        return {"root": loss**0.5}

    def validate(self) -> dict[str, float]:
        if self.validations:
            return {"loss": self.validations.pop(0)}
        self.model.eval()
        with torch.no_grad():
            batch = next(self.batches(99, 0))
            loss, _ = self.loss(batch, self.initial_state())
        self.model.train()
        return {"loss": loss.item(), "root": loss.item() ** 0.5}

    def sample(self, step: int) -> str:
        return f"a sample at {step}"
