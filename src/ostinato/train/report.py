"""Who watches a training: nobody, a log, or another program. `Live` is for a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Collection
from typing import Any, Protocol, Self, TextIO, final

from ostinato.data.visible import visible

Record = dict[str, Any]
"""What is known of a step: the keys of a line of ``metrics.jsonl``."""


class Report(Protocol):
    """Shows how a training goes. It is entered while training runs."""

    @property
    def every_step(self) -> bool:
        """Whether it is told of each step before the next one begins, so that it can act on it.

        Else steps come together, a few times a second, and only those of ``log_every``.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def start(self, total_steps: int, unit: str) -> None:
        """Training begins or goes on, to this many steps; speed is counted in this unit."""
        ...

    def steps(self, records: list[Record]) -> None:
        """Some steps are done."""
        ...

    def sample(self, step: int, text: str) -> None:
        """The model has written a sample."""
        ...


class Silent:
    """Shows nothing."""

    every_step: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def start(self, total_steps: int, unit: str) -> None:
        """Nothing."""

    def steps(self, records: list[Record]) -> None:
        """Nothing."""

    def sample(self, step: int, text: str) -> None:
        """Nothing."""


@final
class JsonLines(Silent):
    """Prints one JSON object a step, and nothing else."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file or sys.stdout

    def steps(self, records: list[Record]) -> None:
        """Print a line for each record."""
        self._file.writelines(json.dumps(record) + "\n" for record in records)
        self._file.flush()


@final
class Lines(Silent):
    """Prints a line at each validation, and else at most one in `every` seconds: for a log."""

    def __init__(self, file: TextIO | None = None, *, every: float = 10.0) -> None:
        self._file, self._every = file or sys.stdout, every
        self._printed = time.monotonic()
        self._since: list[dict[str, float]] = []
        self._total, self._unit = 0, ""

    def start(self, total_steps: int, unit: str) -> None:
        """Remember how many steps there are."""
        self._total, self._unit = total_steps, unit

    def steps(self, records: list[Record]) -> None:
        """Print the records with held-out figures, and now and then the last one."""
        now = time.monotonic()
        for record in records:
            self._since.append(losses(record))
            waited = record is records[-1] and now - self._printed >= self._every
            if waited or held_out(record):
                print(self._line(record), file=self._file, flush=True)
                self._printed = now
                self._since.clear()

    def sample(self, step: int, text: str) -> None:
        """Print the sample, indented."""
        indented = "\n".join(f"    {line}" for line in visible(text).splitlines())
        print(f"sample at step {step}:\n{indented}", file=self._file, flush=True)

    def _line(self, record: Record) -> str:
        # The mean since the last line: the loss of one step is mostly noise.
        figures = [f"{name} {digits(value)}" for name, value in mean(self._since).items()]
        figures += [f"held-out {name} {digits(value)}" for name, value in held_out(record).items()]
        speed, left = pace(record, self._total, self._unit)
        return "  ".join(
            [f"step {record['step']}/{self._total}", *figures, f"{speed:,.0f} {self._unit}/s", left]
        )


def losses(record: Record) -> dict[str, float]:
    """The training figures of a record: "loss", and "bpc" where the task has it."""
    return {name: record[name] for name in ("loss", "bpc") if name in record}


def mean(figures: Collection[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure; empty for none."""
    names = next(iter(figures), {})
    return {name: sum(each[name] for each in figures) / len(figures) for name in names}


def held_out(record: Record) -> dict[str, float]:
    """The held-out figures of a record, by name; empty for most steps."""
    start = "held_out_"
    return {name.removeprefix(start): v for name, v in record.items() if name.startswith(start)}


def pace(record: Record, total_steps: int, unit: str) -> tuple[float, str]:
    """The speed in units a second, and the time left in words."""
    speed = record[f"{unit}_per_second"]
    units_left = (total_steps - record["step"]) * record[unit] / record["step"]
    return speed, f"{duration(units_left / max(speed, 1e-9))} left"


def digits(value: float) -> str:
    """A figure for people: three digits after the point, or three that count where it is small
    or very large."""
    return f"{value:.3f}" if 0.1 <= abs(value) < 1e6 or value == 0 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """Seconds as people say them: 42s, 3m05s, 2h10m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
