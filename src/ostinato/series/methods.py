"""Ways to forecast from many places of a series at once: a model that runs free, and baselines.

A method takes a history, origins [O] (numbers of steps, rising, at least 1) and a horizon K, and
gives the values [K, O, C] that it says of steps origin to origin + K - 1, knowing only what is
before each origin.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ostinato import _tree, unroll
from ostinato._judging import judging
from ostinato.data.scaling import fill_forward
from ostinato.series.history import History
from ostinato.series.model import Forecaster
from ostinato.typing import State

Method = Callable[[History, np.ndarray, int], np.ndarray]
"""A way to forecast: (history, origins [O], horizon K) to values [K, O, C]."""

# Steps that warm the state up before the first origin.
_WARM_UP = 2000
# Steps, the last of the training part, that the linear forecast is fitted to at most.
_FITTED = 20_000
# Penalty on the weights of the linear forecast: weak beside the steps of unit size that it sums.
_RIDGE = 1.0


def naive(history: History, origins: np.ndarray, horizon: int) -> np.ndarray:
    """The last value that was seen, again and again."""
    return seasonal_naive(1)(history, origins, horizon)


def seasonal_naive(season: int) -> Method:
    """The value of the last season that was seen, at the same place in the season."""

    def forecast(history: History, origins: np.ndarray, horizon: int) -> np.ndarray:
        known = fill_forward(history.series.values, season)
        # an origin in the first season knows no season before it
        place = origins - season + (np.arange(horizon) % season)[:, None]
        return np.where(place[..., None] < 0, np.nan, known[place])

    return forecast


def running_free(model: Forecaster) -> Method:
    """What a model says of the next step, read by it as if it were true, and so on."""

    def forecast(history: History, origins: np.ndarray, horizon: int) -> np.ndarray:
        with judging(model):
            scaled = _run_free(model, history, origins, horizon)
        said = scaled.double().cpu().numpy()
        # NaN would stand for "says nothing", and so for no error
        return history.values_after(np.where(np.isfinite(said), said, np.inf), origins)

    return forecast


def _run_free(model: Forecaster, history: History, origins: np.ndarray, horizon: int) -> Tensor:
    """What a model says [K, O, S * C] of S series, its own words read as if they were true."""
    device, steps = next(model.parameters()).device, history.inputs
    start = max(0, int(origins[0]) - _WARM_UP)
    state = model.initial_state(steps.shape[1], device=device)
    last: list[Tensor] = []
    states: list[State] = []
    for first, origin in pairwise([start, *map(int, origins)]):
        ys, state = unroll(model, steps[first:origin].to(device), state)
        last.append(ys[-1])
        states.append(state)
    # what was reached at the origins, a row for each series: from here on they run side by side
    y, state = torch.cat(last), _tree.map(lambda *leaves: torch.cat(leaves), *states)
    said = [y]
    for ahead in range(1, horizon):
        known = history.known(origins + ahead).flatten(0, 1).to(device)
        y, state = model(torch.cat([y, torch.ones_like(y), known], dim=-1), state)
        said.append(y)
    return torch.stack(said).view(horizon, len(origins), -1)


def of_each(history: History, make: Callable[[History], Method]) -> Method:
    """A method that is made for each of the series in a history, and forecasts each by its own."""
    methods = [make(part) for part in history.parts]
    if len(methods) == 1:
        return methods[0]

    def forecast(history: History, origins: np.ndarray, horizon: int) -> np.ndarray:
        pairs = zip(methods, history.parts, strict=True)
        return np.concatenate([each(part, origins, horizon) for each, part in pairs], axis=-1)

    return forecast


def num_lags(season: int, border: int) -> int:
    """The steps that the linear forecast reads: two seasons, or what a short series has."""
    return max(1, min(max(12, 2 * season + 1), border // 4))


def linear(history: History, border: int, lags: int) -> Method:
    """Ridge regression of each step on the ``lags`` steps before it, fitted before ``border``.

    It reads and predicts the same scaled changes as a model, all columns at once, and runs free
    in the same way (the vector autoregression of Luetkepohl 2005, with a penalty).
    """
    weights = _fit(history.steps[max(0, border - _FITTED) : border].double(), lags)

    def forecast(history: History, origins: np.ndarray, horizon: int) -> np.ndarray:
        columns = weights.shape[1]
        known = torch.cat([torch.zeros(lags, 2 * columns), history.steps]).double()
        place = torch.from_numpy(origins)[:, None] + torch.arange(lags)
        recent = known[place][..., :columns]  # [O, lags, C]
        said: list[Tensor] = []
        for _ in range(horizon):
            said.append(_with_one(recent.flatten(1)) @ weights)
            recent = torch.cat([recent[:, 1:], said[-1][:, None]], dim=1)
        return history.values_after(torch.stack(said).numpy(), origins)

    return forecast


def _fit(steps: Tensor, lags: int) -> Tensor:
    """The weights [lags * C + 1, C]; of missing values none is learned, and each is read as 0."""
    values, seen = steps.chunk(2, dim=-1)
    columns = values.shape[1]
    inputs = _with_one(values[:-1].unfold(0, lags, 1).transpose(1, 2).flatten(1))
    targets, wanted = values[lags:], seen[lags:]
    penalty = _RIDGE * torch.eye(lags * columns + 1, dtype=torch.double)
    penalty[-1, -1] = 1e-9  # the constant is free
    fitted: list[Tensor] = []
    for column in range(columns):
        rows = inputs * wanted[:, column, None]
        fitted.append(torch.linalg.solve(rows.T @ rows + penalty, rows.T @ targets[:, column]))
    return torch.stack(fitted, dim=1)


def _with_one(rows: Tensor) -> Tensor:
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
