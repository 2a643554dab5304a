"""Ways to forecast from many places of a series at once: a model that runs free, and baselines.

A method takes a history, origins [O] (numbers of steps, rising, at least 1) and a horizon K, and
gives the values [K, O, C] that it says of steps origin to origin + K - 1, knowing only what is
before each origin.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ostinato import _tree, unroll
from ostinato._judging import judging
from ostinato._stages import stage
from ostinato.data.scaling import fill_forward
from ostinato.series.history import History
from ostinato.series.model import Forecaster
from ostinato.typing import State

Method = Callable[[History, np.ndarray, int], np.ndarray]
"""A way to forecast: (history, origins [O], horizon K) to values [K, O, C]."""

# Steps that warm the state up before the first origin.
_WARM_UP = 2000
# The linear forecast: steps, the last of the training part, that it is fitted to at most; numbers
# that it reads at most; and products, of which a core does a billion or two in a second.
_FITTED, _WIDTH, _PRODUCTS = 20_000, 1000, 4e9
# Rounds in which missing values are filled in, and the change of a weight that ends them.
_ROUNDS, _SETTLED = 100, 1e-7
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
    if len(history.parts) == 1:
        return make(history)
    methods: list[Method] = []
    with stage("fitting a forecast to each of", len(history.parts), "series") as done:
        for part in history.parts:
            methods.append(make(part))
            done.advance()

    def forecast(history: History, origins: np.ndarray, horizon: int) -> np.ndarray:
        pairs = zip(methods, history.parts, strict=True)
        return np.concatenate([each(part, origins, horizon) for each, part in pairs], axis=-1)

    return forecast


def num_lags(season: int, border: int, columns: int = 1) -> int:
    """The steps that the linear forecast reads: two seasons, or what a short series has.

    Fewer of many columns, whose steps it reads all together.
    """
    return max(1, min(max(12, 2 * season + 1), border // 4, _WIDTH // columns))


def linear_of_each(history: History, border: int, season: int) -> Method:
    """The linear forecast of each of the series in a history, which reads two seasons."""

    def make(part: History) -> Method:
        return linear(part, border, num_lags(season, border, len(part.series.columns)))

    return of_each(history, make)


def linear(history: History, border: int, lags: int) -> Method:
    """Ridge regression of each step on the ``lags`` steps before it, fitted before ``border``.

    It reads and predicts the same scaled changes as a model, all columns at once, and runs free
    in the same way (the vector autoregression of Luetkepohl 2005, with a penalty).
    """
    rows = _num_rows(lags * len(history.series.columns)) + lags
    with stage("fitting the linear forecast"):
        weights = _fit(history.steps[max(0, border - rows) : border].double(), lags)

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


def _num_rows(width: int) -> int:
    """The rows to fit so many weights to: as many as a second or two are enough for."""
    cheap = max(_PRODUCTS / width**2, math.sqrt(_PRODUCTS / width))
    return min(_FITTED, int(cheap))


def _fit(steps: Tensor, lags: int) -> Tensor:
    """The weights [lags * C + 1, C]; of missing values none is learned, and each is read as 0."""
    values, seen = steps.chunk(2, dim=-1)
    inputs = values[:-1].unfold(0, lags, 1).transpose(1, 2).flatten(1)
    targets, wanted = values[lags:], seen[lags:].bool()
    middle = inputs.mean(0)
    solve = _ridge(inputs - middle)
    weights, constant = _solved(solve, targets, middle)
    # What is missing is filled in by what the weights say of it, again and again, which ends at the
    # weights that fit the rest alone (majorisation): all columns have one matrix, whatever they
    # miss.
    for _ in range(0 if wanted.all() else _num_rounds(inputs.shape, targets.shape[1])):
        filled = torch.where(wanted, targets, inputs @ weights + constant)
        before, (weights, constant) = weights, _solved(solve, filled, middle)
        if (weights - before).abs().max() < _SETTLED:
            break
    return torch.cat([weights, constant[None]])


def _num_rounds(shape: tuple[int, ...], columns: int) -> int:
    """How often missing values are filled in: seldom where it costs much, and changes little."""
    return min(_ROUNDS, max(2, int(_PRODUCTS / (2 * math.prod(shape) * columns))))


def _ridge(inputs: Tensor) -> Callable[[Tensor], Tensor]:
    """What gives the weights [D, C] of targets [N, C], for inputs [N, D] of mean 0.

    One matrix is factorised for all columns, the smaller of [D, D] and [N, N].
    """
    count, width = inputs.shape
    narrow = inputs.T if count < width else inputs
    product = narrow.T @ narrow
    product.diagonal().add_(_RIDGE)
    factor = torch.linalg.cholesky(product)
    if count < width:
        return lambda targets: inputs.T @ torch.cholesky_solve(targets, factor)
    return lambda targets: torch.cholesky_solve(inputs.T @ targets, factor)


def _solved(
    solve: Callable[[Tensor], Tensor], targets: Tensor, middle: Tensor
) -> tuple[Tensor, Tensor]:
    """Weights [D, C], and the constants [C], which are free of the penalty."""
    mean = targets.mean(0)
    weights = solve(targets - mean)
    return weights, mean - middle @ weights


def _with_one(rows: Tensor) -> Tensor:
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
