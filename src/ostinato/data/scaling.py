"""Numbers brought to one scale, and back; what is fitted is fitted on the training part only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np

from ostinato.data.typed import check_fields
from ostinato.errors import ArgumentError


@final
@dataclass(frozen=True, eq=False)
class Scale:
    """(value - mean) / deviation for each of C columns; NaN stays NaN."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, columns: Sequence[str] = ()) -> Self:
        """The scale of values [N, C], those that are not NaN.

        A constant column keeps its size (deviation 1). Raises ArgumentError for a column without
        any value; ``columns`` name them.
        """
        empty = np.isnan(values).all(axis=0)
        if empty.any():
            column = int(empty.argmax())
            raise ArgumentError(
                f"column {columns[column] if columns else column}",
                wanted="values in the training part",
                got="none",
                remedy="Leave the column out, or hold a smaller part out.",
            )
        deviation = np.nanstd(values, axis=0)
        # the deviation of equal numbers is their rounding, or 0
        constant = deviation <= 1e-12 * np.abs(np.nanmean(values, axis=0))
        return cls(np.nanmean(values, axis=0), np.where(constant, 1.0, deviation))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values [..., C] on the scale."""
        return (values - self.mean) / self.deviation

    def undo(self, scaled: np.ndarray) -> np.ndarray:
        """The values [..., C] of numbers on the scale."""
        return scaled * self.deviation + self.mean

    def as_dict(self) -> dict[str, Any]:
        """The numbers, ready for JSON."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "scale") -> Self:
        """The scale that `as_dict` gave; ``source`` names the file in errors.

        Raises ArgumentError for anything else.
        """
        check_fields(source, values, {"mean": list[float], "deviation": list[float]})
        made = cls(np.array(values["mean"], float), np.array(values["deviation"], float))
        both = np.concatenate([made.mean, made.deviation])
        if made.mean.shape != made.deviation.shape or not np.isfinite(both).all():
            raise ArgumentError(source, wanted="a mean and a deviation a column", got="others")
        return made


def fill_forward(values: np.ndarray, lag: int = 1) -> np.ndarray:
    """Values [N, C] with each NaN replaced by the last value a whole number of lags before it.

    NaN stays where there is none. What comes later has no influence.
    """
    count, columns = values.shape
    rounds = -(-count // lag)
    steps = np.arange(rounds * lag)
    seen = np.zeros((rounds * lag, columns), dtype=bool)
    seen[:count] = ~np.isnan(values)
    # the last seen round of each place in a round, or 0, where the value is NaN if it was not seen
    rounds_seen = np.where(seen, (steps // lag)[:, None], 0).reshape(rounds, lag, columns)
    last = np.maximum.accumulate(rounds_seen).reshape(-1, columns)[:count]
    source = last * lag + (steps % lag)[:count, None]
    return np.take_along_axis(values, source, axis=0)


def difference(values: np.ndarray, lag: int) -> np.ndarray:
    """The change [N, C] of each value [N, C] since `lag` steps before; 0 gives the values.

    Where that earlier value is missing, since the last one a whole number of lags before. The
    first `lag` changes are NaN, and those of missing values.
    """
    if lag == 0:
        return values
    changes = np.full(values.shape, np.nan)
    changes[lag:] = values[lag:] - fill_forward(values, lag)[:-lag]
    return changes


def follow(changes: np.ndarray, values: np.ndarray, lag: int) -> np.ndarray:
    """The values [K, ..., C] after values [N, C], given their changes [K, ..., C] in order.

    The inverse of `difference` where the changes are those of consecutive steps.
    """
    if lag == 0:
        return changes
    assert len(values) >= lag, "the last value a lag before is not known"
    known = [np.broadcast_to(row, changes.shape[1:]) for row in fill_forward(values, lag)[-lag:]]
    for change in changes:
        known.append(known[-lag] + change)
    return np.stack(known[lag:]) if len(changes) else changes
