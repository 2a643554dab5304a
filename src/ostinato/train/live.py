"""The live display of a terminal."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Self, final

from ostinato.data.requirements import require
from ostinato.data.visible import visible
from ostinato.train.report import Record, Silent, digits, duration, held_out, losses, mean, pace

# Levels of a bar in a sparkline, from the Unicode block elements.
_BARS = "▁▂▃▄▅▆▇█"

# Seconds between two pictures.
_PATIENCE = 0.2

# Steps over which the training loss is averaged, since that of one step is mostly noise.
_WINDOW = 50


@final
class Live(Silent):
    """Progress, figures, a curve and the last sample, redrawn in place four times a second."""

    def __init__(self, title: str, *, sample_lines: int = 10) -> None:
        self._title, self._sample_lines = visible(title), sample_lines
        self._total, self._unit = 1, ""
        self._record: Record | None = None
        self._recent: deque[dict[str, float]] = deque(maxlen=_WINDOW)
        self._validations: deque[dict[str, float]] = deque(maxlen=1000)
        self._best: dict[str, float] = {}
        self._sample: tuple[int, str] | None = None
        self._drawn = 0.0
        # No refreshing thread: it would take time from training and see half a change.
        self._live = require("rich.live", "train").Live(auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def start(self, total_steps: int, unit: str) -> None:
        """Show an empty display."""
        self._total, self._unit = total_steps, unit
        self._redraw()

    def steps(self, records: list[Record]) -> None:
        """Show the last record, and take the held-out figures of all."""
        for record in records:
            self._recent.append(losses(record))
            if figures := held_out(record):
                self._validations.append(figures)
                if not self._best or figures["loss"] < self._best["loss"]:
                    self._best = figures
        self._record = records[-1]
        # told of every step, it draws no more often than an eye follows
        if held_out(self._record) or time.monotonic() - self._drawn > _PATIENCE:
            self._redraw()

    def sample(self, step: int, text: str) -> None:
        """Show the sample below the figures."""
        self._sample = (step, text)
        self._redraw()

    def _redraw(self) -> None:
        self._drawn = time.monotonic()
        self._live.update(self._panel(), refresh=True)

    def _panel(self) -> Any:
        group = require("rich.console", "train").Group
        panel = require("rich.panel", "train").Panel
        parts = [self._bar(), self._figures()]
        if self._sample is not None:
            parts += [self._rule(), self._sample_text()]
        # Room for the ^C that a terminal writes after the last line; it would wrap otherwise.
        width = self._live.console.width - 3
        # Text, not str, so that brackets in a name are not read as markup.
        title = require("rich.text", "train").Text(self._title)
        return panel(group(*parts), title=title, title_align="left", width=width)

    def _bar(self) -> Any:
        table = require("rich.table", "train").Table
        bar = require("rich.progress_bar", "train").ProgressBar
        step = self._record["step"] if self._record else 0
        row = table.grid(padding=(0, 2), expand=True)
        row.add_column(ratio=1)
        row.add_column(justify="right")
        row.add_row(bar(total=max(1, self._total), completed=step), self._pace(step))
        return row

    def _pace(self, step: int) -> str:
        said = f"step {step:,} of {self._total:,}"
        if self._record is None:
            return said
        speed, left = pace(self._record, self._total, self._unit)
        spent = duration(self._record["seconds"])
        return f"{said}   {speed:,.0f} {self._unit}/s   {spent}, {left}"

    def _figures(self) -> Any:
        table = require("rich.table", "train").Table
        grid = table.grid(padding=(0, 3))
        latest = self._validations[-1] if self._validations else {}
        training = mean(self._recent)
        names = list(latest or training)
        grid.add_row("", *(f"[bold]{name}[/]" for name in names))
        for title, figures in (
            ("training", training),
            ("held-out", latest),
            ("best", self._best),
        ):
            grid.add_row(title, *(_number(figures.get(name)) for name in names))
        outer = table.grid(padding=(0, 6))
        outer.add_row(grid, self._sparkline(names))
        return outer

    def _sparkline(self, names: list[str]) -> str:
        name = "bpc" if "bpc" in names else "loss"
        values = [figures[name] for figures in self._validations][-40:]
        if len(values) < 2:
            return ""
        low, high = min(values), max(values)
        scale = (len(_BARS) - 1) / ((high - low) or 1)
        bars = "".join(_BARS[round((value - low) * scale)] for value in values)
        return f"held-out {name}\n[cyan]{bars}[/]\n{digits(high)} to {digits(low)}"

    def _rule(self) -> Any:
        assert self._sample is not None
        return require("rich.rule", "train").Rule(f"sample at step {self._sample[0]:,}")

    def _sample_text(self) -> Any:
        assert self._sample is not None
        lines = visible(self._sample[1]).splitlines()[: self._sample_lines]
        return require("rich.text", "train").Text("\n".join(lines), style="italic")


def _number(value: float | None) -> str:
    return "" if value is None else digits(value)
