"""What a model reads of a series: changes on one scale, and whether they are there."""

from __future__ import annotations

from functools import cached_property
from typing import Self, final

import numpy as np
import torch
from torch import Tensor

from ostinato.data.scaling import Scale, difference, fill_forward
from ostinato.data.series import Series
from ostinato.data.windows import steps_of


@final
class History:
    """A series [N, C], or several, as the input of forecasts that begin anywhere in it.

    Attributes: ``series``; ``lag``, the steps over which changes are taken, 0 for the values
    themselves; ``scale`` of the changes.
    """

    def __init__(self, series: Series, scale: Scale, lag: int) -> None:
        self.series, self.scale, self.lag = series, scale, lag
        self._known: Tensor | None = None

    @classmethod
    def fitted(cls, series: Series, border: int, lag: int) -> Self:
        """With the scale of the changes before step ``border``."""
        changes = difference(series.values, lag)[:border]
        return cls(series, Scale.fit(changes, series.columns), lag)

    def __len__(self) -> int:
        """Steps N."""
        return len(self.series)

    @cached_property
    def parts(self) -> list[History]:
        """A history for each of the series in this one."""
        if self.series.num_series == 1:
            return [self]
        size = len(self.series.targets)
        made: list[History] = []
        for number in range(self.series.num_series):
            own = slice(number * size, (number + 1) * size)
            scale = Scale(self.scale.mean[own], self.scale.deviation[own])
            made.append(History(self.series.only([number]), scale, self.lag))
        return made

    @cached_property
    def inputs(self) -> Tensor:
        """What a model reads of S series, [N, S, 2C + K]: their changes, what is there, and what is
        known of the step after each."""
        scaled = self.scale.apply(difference(self.series.values, self.lag))
        return torch.from_numpy(steps_of(self.series, scaled)[..., :-1])

    def known(self, steps: np.ndarray) -> Tensor:
        """What is known [n, S, K] of steps by their numbers [n]; 0 beyond what the series has."""
        last = int(steps.max()) + 1
        if self._known is None or len(self._known) < last:
            self._known = self._all_known(2 * last)  # for the steps that are asked for next
        return self._known[torch.from_numpy(steps)]

    def _all_known(self, count: int) -> Tensor:
        series = self.series
        there = count if series.num_ahead is None else min(count, len(series) + series.num_ahead)
        known = np.zeros((count, series.num_series, series.num_known), dtype=np.float32)
        known[:there] = series.known_at(0, there)
        return torch.from_numpy(known)

    @cached_property
    def steps(self) -> Tensor:
        """All columns side by side, [N, 2C]: scaled changes, 0 for missing ones; 1 for seen."""
        scaled = self.scale.apply(difference(self.series.values, self.lag))
        seen = ~np.isnan(scaled)
        both = np.concatenate([np.where(seen, scaled, 0.0), seen], axis=1)
        return torch.from_numpy(both.astype(np.float32))

    def values_after(self, scaled: np.ndarray, origins: np.ndarray) -> np.ndarray:
        """The values [K, O, C] of forecasts that run free, the o-th from step ``origins[o]`` on.

        ``scaled`` [K, O, C] is what a model says of K steps. Of each, only values before its
        origin are used; NaN where none of them is a whole number of lags before.
        """
        changes, lag = self.scale.undo(scaled), self.lag
        if lag == 0:
            return changes
        assert origins.min() >= lag, "the last value a lag before is not known"
        known = fill_forward(self.series.values, lag)
        values = [known[origins - lag + step] for step in range(lag)]
        for change in changes:
            values.append(values[-lag] + change)
        return np.stack(values[lag:])

    def truth(self, origins: np.ndarray, count: int) -> np.ndarray:
        """The true values [count, O, C] from each origin on, NaN where there is none."""
        place = origins + np.arange(count)[:, None]
        there = place < len(self)
        values = self.series.values[np.where(there, place, 0)]
        return np.where(there[..., None], values, np.nan)
