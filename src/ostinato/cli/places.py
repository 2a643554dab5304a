"""The columns of another file for a run, where they are not called as in the run's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ostinato.data import Settings, setting

_ELSE = ", where it is not that of the run."


@dataclass(frozen=True)
class Places(Settings):
    """The columns of a file; None for those of the run."""

    sequence: str | None = setting(None, f"classify, tag: the column of the sequences{_ELSE}")
    label: str | None = setting(None, f"classify, tag: the column of the labels{_ELSE}")
    group: str | None = setting(None, f"classify, tag: the column that names a sequence{_ELSE}")
    source: str | None = setting(None, f"seq2seq: the column of what is given{_ELSE}")
    target: str | None = setting(None, f"seq2seq: the column of what is wanted{_ELSE}")
    time: str | None = setting(None, f"series: the column of times{_ELSE}")
    series: str | None = setting(None, f"series: the column that names the series{_ELSE}")

    def given(self) -> dict[str, Any]:
        """What is said, by its name."""
        return {name: value for name, value in vars(self).items() if value is not None}
