"""Reports for a program: the records of a training in memory, and several reports at once."""

from __future__ import annotations

from typing import Self, final

from ostinato.train.report import Record, Report, Silent


@final
class History(Silent):
    """Keeps every record, to be read after training or while it runs."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.samples: list[tuple[int, str]] = []

    def steps(self, records: list[Record]) -> None:
        """Keep them."""
        self.records += records

    def sample(self, step: int, text: str) -> None:
        """Keep it, with its step."""
        self.samples.append((step, text))

    def __getitem__(self, name: str) -> list[float]:
        """The values of a key, such as "loss" or "held_out_accuracy", where records have it."""
        return [record[name] for record in self.records if name in record]


@final
class Several:
    """Tells several reports the same. Any object with the methods of `Report` is one."""

    def __init__(self, *reports: Report) -> None:
        self.reports = reports

    @property
    def every_step(self) -> bool:
        """Whether one of them asks for it."""
        return any(report.every_step for report in self.reports)

    def __enter__(self) -> Self:
        for report in self.reports:
            report.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        for report in reversed(self.reports):
            report.__exit__(*error)

    def start(self, total_steps: int, unit: str) -> None:
        """Tell all of them."""
        for report in self.reports:
            report.start(total_steps, unit)

    def steps(self, records: list[Record]) -> None:
        """Tell all of them."""
        for report in self.reports:
            report.steps(records)

    def sample(self, step: int, text: str) -> None:
        """Tell all of them."""
        for report in self.reports:
            report.sample(step, text)
