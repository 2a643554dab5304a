"""A series to learn from: split by time, scaled without a look ahead, cut into windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from ostinato.data.columns import Columns, ColumnSettings
from ostinato.data.scaling import Scale, difference, fill_forward, follow
from ostinato.data.series import Series
from ostinato.data.settings import Settings, setting
from ostinato.data.timeline import in_words
from ostinato.errors import ArgumentError


@dataclass(frozen=True)
class SeriesSettings(Settings):
    """How a series is split and scaled."""

    held_out: float = setting(
        0.2, "Share of the steps, the last ones, that is held out.", least=0.001, below=1
    )
    difference: int = setting(
        0,
        "Predict the change since so many steps before: 1 takes out a trend, 12 the season and "
        "the trend of monthly data; 0 predicts the value.",
        least=0,
    )


@dataclass(frozen=True)
class WindowSettings(ColumnSettings):
    """How a series becomes batches [T, B, C]; fewer and shorter columns than a text has."""

    batch_size: int = setting(8, "Columns B that are read side by side.", least=1)
    bptt: int = setting(48, "Steps T between two updates (truncated back-propagation).", least=1)


class Window(NamedTuple):
    """T steps of B columns of series: xs and, one step later, targets, both [T, B, C].

    ``seen`` and ``wanted``, bool [T, B, C], tell which of them are there; the others are 0.
    ``known`` [T, B, K] is what is known of the step of the targets, and ``resets``, bool [T, B],
    the first step of another series. A model reads ``inputs``, and its loss counts what is wanted:
    ``((ys - targets) ** 2)[wanted].mean()``.
    """

    xs: Tensor
    seen: Tensor
    targets: Tensor
    wanted: Tensor
    known: Tensor
    resets: Tensor

    @property
    def inputs(self) -> Tensor:
        """What a model reads, [T, B, 2C + K]: values, whether they are there, what is known."""
        return torch.cat([self.xs, self.seen, self.known], dim=-1)

    def to(self, device: torch.device | str) -> Window:
        """The window on a device."""
        return Window(*(part.to(device) for part in self))


@final
class SeriesData:
    """A series [N, C], or several, as windows for training with a carried state, and as one.

    Several are read one after another, each from an empty state.

    Attributes: ``series``; ``border``, the number of the first held-out step; ``changes`` [N, C],
    the values or, with ``difference``, their changes; ``scale``, fitted on the changes before the
    border, so that nothing of the held-out part is in it. Raises ArgumentError where a part is too
    short, or a column has no value to learn from.
    """

    def __init__(
        self,
        series: Series,
        settings: SeriesSettings | None = None,
        windows: WindowSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.series, self.settings = series, settings or SeriesSettings()
        count, lag = len(series), self.settings.difference
        self.border = count - max(1, round(self.settings.held_out * count))
        if self.border <= lag:
            raise ArgumentError(
                "difference",
                wanted=f"fewer steps than the {self.border} to learn from",
                got=str(lag),
                remedy="Use a longer series, or hold a smaller part out.",
            )
        self.changes = difference(series.values, lag)
        self.scale = Scale.fit(self.changes[: self.border], series.columns)
        self._steps = steps_of(series, self.scale.apply(self.changes))
        train = self._steps[: self.border].swapaxes(0, 1).reshape(-1, self._steps.shape[-1])
        self.columns = Columns(train, windows or WindowSettings(), seed=seed)

    def __len__(self) -> int:
        """Windows in an epoch."""
        return len(self.columns)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Window]:
        """The windows [T, B, C] of one epoch over the training part, from number `start` on.

        Each column goes on where its last window ended. An epoch's windows depend on the seed and
        on its number alone.
        """
        return (self._window(*parts) for parts in self.columns.batches(epoch, start))

    def window(self, first: int, last: int) -> Window:
        """Steps `first` to `last` - 1 and their targets, a column for each series: [T, S, C].

        ``window(0, len(series) - 1)`` is all; its targets from number ``border - 1`` on are
        held out.
        """
        cut = torch.from_numpy(self._steps[first : last + 1])
        return self._window(cut[:-1], cut[1:])

    def _window(self, inputs: Tensor, targets: Tensor) -> Window:
        size = len(self.series.targets)
        xs, seen, known, begins = inputs.split([size, size, self.series.num_known, 1], dim=-1)
        targets, wanted, _, other = targets.split([size, size, self.series.num_known, 1], dim=-1)
        # the step after the last one of a series is of another
        return Window(
            xs, seen.bool(), targets, (wanted * (1 - other)).bool(), known, begins[..., 0].bool()
        )

    def values_at(self, scaled: np.ndarray, first: int) -> np.ndarray:
        """The values [n, ..., C] that predictions one step ahead mean, for steps `first` and on.

        ``scaled`` [n, ..., C] is what a model says of them; of each, the steps before are known.
        """
        changes, lag = self.scale.undo(scaled), self.settings.difference
        if lag == 0:
            return changes
        before = fill_forward(self.series.values, lag)[first - lag : first - lag + len(changes)]
        return changes + before.reshape(len(changes), *(1,) * (changes.ndim - 2), -1)

    def values_after(self, scaled: np.ndarray, first: int) -> np.ndarray:
        """The values [K, ..., C] of a forecast that runs free from step `first` on.

        ``scaled`` [K, ..., C] is what a model says of K steps, each after its own last one; only
        values before step `first` are used.
        """
        known = self.series.values[:first]
        return follow(self.scale.undo(scaled), known, self.settings.difference)

    def summary(self) -> str:
        """The sizes in words."""
        begin = in_words(self.series.times[self.border])
        return f"{self.series.summary()}; held out from {begin} on"


def steps_of(series: Series, scaled: np.ndarray) -> np.ndarray:
    """The steps of S series [N, S, 2C + K + 1], float32, from their scaled changes [N, S * C].

    Of each the changes, 0 for a missing one; 1 for those that are there; what is known of the step
    after it, 0 where that is not known; and 1 for the first step of a series.
    """
    count, size = len(series), len(series.targets)
    values = scaled.reshape(count, -1, size)
    seen = ~np.isnan(values)
    known = np.zeros((count, series.num_series, series.num_known))
    ahead = count if series.known is None or len(series.known) > count else count - 1
    known[:ahead] = series.known_at(1, ahead)
    begins = np.zeros((count, series.num_series, 1))
    begins[0] = 1
    parts = [np.where(seen, values, 0.0), seen, known, begins]
    return np.concatenate(parts, axis=-1).astype(np.float32)
