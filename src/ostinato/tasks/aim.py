"""What a model is asked for: numbers, or classes; how far off it is, and what is easy to reach."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol, final

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.data import Batch, Samples


class Aim(Protocol):
    """What is asked of a model, one for each sequence or, as the samples say, for each step."""

    @property
    def outputs(self) -> int:
        """Numbers that the model gives for each target."""
        ...

    @property
    def curve(self) -> tuple[str, str]:
        """The figure to be shown over the steps, and its name for people."""
        ...

    def loss(self, ys: Tensor, batch: Batch) -> Tensor:
        """What to make small, a scalar, for ys [B, C] or [T, B, C]."""
        ...

    def figures(self, outputs: Tensor, samples: Samples) -> dict[str, float]:
        """How good the outputs [M, C] of samples are, "loss" first; M targets in their order."""
        ...

    def baseline(self, train: Samples, held_out: Samples) -> dict[str, float]:
        """The figures on held-out samples of who always says the same."""
        ...

    def words(self, outputs: Tensor) -> list[str]:
        """Outputs [M, C] as people read them."""
        ...

    def truth(self, samples: Samples) -> list[str]:
        """The targets of samples in the same words."""
        ...


@final
class Regression:
    """C numbers, by their mean squared error."""

    curve = ("loss", "mean squared error")

    def __init__(self, outputs: int = 1) -> None:
        self.outputs = outputs

    def loss(self, ys: Tensor, batch: Batch) -> Tensor:
        """The mean squared error over what is there."""
        if batch.per_step:
            return F.mse_loss(ys[batch.mask], batch.targets[batch.mask])
        return F.mse_loss(ys, batch.targets)

    def figures(self, outputs: Tensor, samples: Samples) -> dict[str, float]:
        """The mean squared error."""
        return {"loss": F.mse_loss(outputs, samples.targets).item()}

    def baseline(self, train: Samples, held_out: Samples) -> dict[str, float]:
        """The error of always saying the mean of the training targets."""
        mean = train.targets.mean(0).expand_as(held_out.targets)
        return self.figures(mean, held_out)

    def words(self, outputs: Tensor) -> list[str]:
        """Three digits after the point."""
        return [" ".join(f"{value:.3f}" for value in row) for row in outputs.tolist()]

    def truth(self, samples: Samples) -> list[str]:
        """The targets."""
        return self.words(samples.targets)


@final
class Classification:
    """One of several labels, by cross-entropy in nats; a target of -100 is not asked for.

    Accuracy counts the last ``judged`` steps of each sequence where labels stand at steps; 0 counts
    all of them. ``easy_loss`` is the loss that is reached without any skill, where it is less than
    that of the labels' frequencies.
    """

    curve = ("loss", "cross-entropy, nats")

    def __init__(
        self, labels: tuple[str, ...], *, judged: int = 0, easy_loss: float = math.inf
    ) -> None:
        self.labels, self.judged, self.easy_loss = labels, judged, easy_loss
        self.outputs = len(labels)

    def loss(self, ys: Tensor, batch: Batch) -> Tensor:
        """The mean cross-entropy over what is there."""
        if batch.per_step:
            return F.cross_entropy(ys[batch.mask], batch.targets[batch.mask])
        return F.cross_entropy(ys, batch.targets)

    def figures(self, outputs: Tensor, samples: Samples) -> dict[str, float]:
        """Cross-entropy and accuracy."""
        right = (outputs.argmax(-1) == samples.targets)[self._judged(samples)]
        loss = F.cross_entropy(outputs, samples.targets).item()
        return {"loss": loss, "accuracy": right.float().mean().item()}

    def baseline(self, train: Samples, held_out: Samples) -> dict[str, float]:
        """The loss of the frequencies of the labels, and the accuracy of the most frequent one."""
        counts = torch.bincount(train.targets.flatten(), minlength=self.outputs)
        # one more of each, so that a label which is only held out is not impossible
        scores = ((counts + 1) / (counts.sum() + self.outputs)).log()
        found = F.cross_entropy(scores.expand(len(held_out.targets), -1), held_out.targets)
        judged = torch.bincount(train.targets[self._judged(train)], minlength=self.outputs)
        right = (held_out.targets == judged.argmax())[self._judged(held_out)]
        loss = min(found.item(), self.easy_loss)
        return {"loss": loss, "accuracy": right.float().mean().item()}

    def confusion(self, outputs: Tensor, samples: Samples) -> Tensor:
        """How often [true label, said label] came together, [C, C]."""
        rows = self._judged(samples)
        pairs = samples.targets[rows] * self.outputs + outputs.argmax(-1)[rows]
        return torch.bincount(pairs, minlength=self.outputs**2).view(self.outputs, -1)

    def by_label(self, matrix: Tensor) -> Tensor:
        """Precision, recall and F1 [C, 3] of each label by its confusion matrix [C, C].

        NaN where a label was neither said nor true.
        """
        right = matrix.diagonal().double()
        said, true = matrix.sum(0), matrix.sum(1)
        return torch.stack([right / said, right / true, 2 * right / (said + true)], dim=1)

    def words(self, outputs: Tensor) -> list[str]:
        """The likeliest labels."""
        return [self.labels[place] for place in outputs.argmax(-1).tolist()]

    def truth(self, samples: Samples) -> list[str]:
        """The labels."""
        return [self.labels[place] for place in samples.targets.tolist()]

    def _judged(self, samples: Samples) -> Tensor:
        if not (samples.per_step and self.judged):
            return torch.arange(len(samples.targets))
        ends = samples.starts + samples.lengths
        left = ends.repeat_interleave(samples.lengths) - torch.arange(len(samples.targets))
        return (left <= self.judged).nonzero().flatten()


def tell(figures: Mapping[str, float]) -> str:
    """Figures in words, the loss of a regression as what it is."""
    if "accuracy" in figures:
        return f"accuracy {figures['accuracy']:.4f}, cross-entropy {figures['loss']:.4f} nats"
    return f"mean squared error {figures['loss']:.4g}"
