"""Learning to predict the next step of a series: what a solver trains."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import final

import numpy as np
from torch import Tensor

from ostinato import detach, unroll
from ostinato._judging import judging
from ostinato.conclusion import Table
from ostinato.data.series import Series
from ostinato.data.windows import SeriesData, SeriesSettings, Window, WindowSettings
from ostinato.series.backtest import backtest, seasonal_error
from ostinato.series.evaluation import OURS, Evaluation, evaluate
from ostinato.series.history import History
from ostinato.series.methods import running_free
from ostinato.series.model import Forecaster
from ostinato.series.settings import ForecastSettings
from ostinato.series.split import resolve, split
from ostinato.typing import State

# Places from which the quick figures of the validation part run free.
_PLACES = 30
# Steps that warm the state up before the first step that counts.
_WARM_UP = 2000
# Lines of the samples shown while training.
_SHOWN = 12
# Columns that a sample shows, each beside the truth: so many are read on a screen.
_WIDE = 4


@final
class SeriesTask:
    """A forecaster on a series, or on several, by truncated back-propagation over columns of them.

    Has the shape of `ostinato.train.Task`. The steps are in three parts, in the order of time:
    training (with it, the scale), validation (the best weights, the widths of intervals), test
    (the final figures).
    """

    name = "series"
    unit = "values"
    curve = ("loss", "squared error of the next step, scaled")

    def __init__(
        self,
        model: Forecaster,
        series: Series,
        settings: ForecastSettings | None = None,
        windows: WindowSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.model, self.series, self.seed = model, series, seed
        self.settings = resolve(series, settings or ForecastSettings())
        self.split = split(series, self.settings.held_out)
        lag, count = self.settings.difference or 0, len(series)
        share = SeriesSettings(held_out=(count - self.split.border) / count, difference=lag)
        self.data = SeriesData(series, share, windows or WindowSettings(), seed=seed)
        self.history = History(series, self.data.scale, lag)
        self.device = next(model.parameters()).device

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.data)

    @property
    def batch_units(self) -> int:
        """Values in a batch, missing ones with them."""
        columns = self.data.columns
        return columns.settings.batch_size * columns.steps * len(self.series.targets)

    def batches(self, epoch: int, start: int) -> Iterator[Window]:
        """The windows [T, B, C] of an epoch from one batch on."""
        return self.data.batches(epoch, start)

    def initial_state(self) -> State:
        """The state at the start of an epoch."""
        size = self.data.columns.settings.batch_size
        return self.model.initial_state(size, device=self.device)

    def loss(self, batch: Window, state: State) -> tuple[Tensor, State]:
        """The mean squared error of the next step, scaled, and the state after it, by value."""
        window = batch.to(self.device)
        resets = window.resets if self.series.names else None
        ys, state = unroll(self.model, window.inputs, state, resets=resets)
        return _squared_error(ys, window.targets, window.wanted), detach(state)

    def figures(self, loss: float) -> dict[str, float]:
        """A training loss has no other units."""
        return {}

    def validate(self) -> dict[str, float]:
        """On the validation part: the loss of the next step, and MASE of forecasts.

        A model that explodes when it runs free has no MASE; it may still learn better.
        """
        figures = {"loss": self._next_step(), "mase": self._running_free()}
        return figures if math.isfinite(figures["mase"]) else {"loss": figures["loss"]}

    def _next_step(self) -> float:
        border, test = self.split.border, self.split.test
        start = max(0, border - 1 - _WARM_UP)
        steps = self.history.inputs[start:test].to(self.device)
        with judging(self.model):
            ys, _ = unroll(self.model, steps[:-1])
        size = len(self.series.targets)
        targets, seen = steps[border - start :, :, : 2 * size].chunk(2, dim=-1)
        return _squared_error(ys[border - 1 - start :], targets, seen.bool()).item()

    def _running_free(self) -> float:
        settings = self.settings
        found = backtest(
            self.history,
            {OURS: running_free(self.model)},
            first=self.split.border,
            last=self.split.test,
            horizon=settings.horizon or 1,
            unit=seasonal_error(self.series, self.split.border, settings.season or 1),
            most=_PLACES,
        )
        return found.score(OURS).mase

    def evaluate(self) -> Evaluation:
        """The figures that count: forecasts from every place of the test part."""
        parts = self.split
        return evaluate(
            self.model, self.history, self.settings, border=parts.border, test=parts.test
        )

    def sample(self, step: int) -> str:
        """A forecast of the last steps of the validation part, beside the truth."""
        horizon = self.settings.horizon or 1
        origin = np.array([self.split.test - horizon])
        said = running_free(self.model)(self.history, origin, horizon)[:, 0]
        truth = self.history.truth(origin, horizon)[:, 0]
        names = self.series.columns[:_WIDE]
        heads = ["time", *(head for name in names for head in (name, "(true)"))]
        rows: list[list[str | float]] = []
        for ahead in np.unique(np.linspace(0, horizon - 1, min(horizon, _SHOWN)).astype(int)):
            pairs = zip(said[ahead, :_WIDE], truth[ahead, :_WIDE], strict=True)
            numbers = [cell for value, true in pairs for cell in (value, f"({true:.5g})")]
            time = self.series.tell(self.series.times[origin[0] + ahead])
            rows.append([time, *numbers])
        others = len(self.series.columns) - _WIDE
        return str(Table(heads, rows)) + (f"\nand {others:,} columns more" if others > 0 else "")


def _squared_error(ys: Tensor, targets: Tensor, wanted: Tensor) -> Tensor:
    """The mean over what is wanted; 0 where nothing is."""
    return ((ys - targets) ** 2 * wanted).sum() / wanted.sum().clamp(min=1)
