"""What happens in training, written down: to the run's files and to whoever watches."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, final

from torch import Tensor

from ostinato.train.finite import DivergedError
from ostinato.train.progress import Progress
from ostinato.train.report import Report
from ostinato.train.run import Run
from ostinato.train.task import Task

# Seconds between looks at the losses. Reading one waits for its step to end, which costs nothing on
# a CPU but would stop a GPU from working ahead; and four times a second is all that an eye follows.
_PATIENCE = 0.25

# Steps over which the speed is averaged.
_WINDOW = 100


@final
class Journal:
    """Gathers the records of steps and hands them on a few times a second."""

    def __init__(self, task: Task, run: Run | None, report: Report, progress: Progress) -> None:
        self._task, self._run, self._report, self._progress = task, run, report, progress
        self._waiting: list[tuple[dict[str, Any], Tensor, Tensor, bool]] = []
        self._began = time.perf_counter() - progress.seconds
        self._recent = deque([(progress.seconds, progress.units)], maxlen=_WINDOW)
        self._flushed = time.perf_counter()

    def step(
        self,
        loss: Tensor,
        norm: Tensor,
        lr: float,
        held_out: Mapping[str, float],
        *,
        logged: bool = True,
    ) -> None:
        """Note a step: its loss and gradient norm (scalars), and held-out figures if there are.

        What is not ``logged`` is for a report that asks for every step.
        """
        now, progress = time.perf_counter(), self._progress
        progress.seconds = now - self._began
        record: dict[str, Any] = {
            "step": progress.step,
            "epoch": round(progress.epoch + progress.batch / len(self._task), 4),
            self._task.unit: progress.units,
            "lr": lr,
            "seconds": round(progress.seconds, 3),
            f"{self._task.unit}_per_second": round(self._speed()),
        }
        record |= {f"held_out_{name}": value for name, value in held_out.items()}
        self._waiting.append((record, loss, norm, logged))
        if held_out or self._report.every_step or now - self._flushed > _PATIENCE:
            self.flush()

    def sample(self, text: str) -> None:
        """Note a sample of what the model makes now."""
        self.flush()
        self._report.sample(self._progress.step, text)
        if self._run is not None:
            head = f"----- step {self._progress.step} -----\n"
            self._run.append(self._run.samples_path, [f"{head}{text}\n\n"])

    def flush(self) -> None:
        """Hand on all that waits. Raises DivergedError where a figure is no finite number."""
        waiting, self._waiting = self._waiting, []
        self._flushed = time.perf_counter()
        records = [self._finish(record, loss, norm) for record, loss, norm, _ in waiting]
        sound = list(takewhile(_is_finite, records))
        logged = [each for each, (*_, kept) in zip(sound, waiting, strict=False) if kept]
        if logged and self._run is not None:
            self._run.append(self._run.metrics_path, (json.dumps(each) + "\n" for each in logged))
        if sound:
            self._report.steps(sound)
        if len(sound) < len(records):
            raise self._diverged(records[len(sound)])

    def _finish(self, record: dict[str, Any], loss: Tensor, norm: Tensor) -> dict[str, Any]:
        step, value = record.pop("step"), loss.item()
        figures = {"loss": value, **self._task.figures(value)}
        return {"step": step, **figures, "grad_norm": norm.item(), **record}

    def _speed(self) -> float:
        progress = self._progress
        self._recent.append((progress.seconds, progress.units))
        seconds, units = self._recent[0]
        return (progress.units - units) / max(1e-9, progress.seconds - seconds)

    def _diverged(self, record: dict[str, Any]) -> DivergedError:
        name = next(name for name, value in record.items() if not math.isfinite(value))
        where = "" if self._run is None else f" {self._run.folder} keeps the weights before."
        return DivergedError(
            name,
            wanted="a finite number",
            got=f"{record[name]} at step {record['step']}",
            remedy=f"Lower `lr`, or clip the gradients (`clip=1`).{where}",
        )


def _is_finite(record: dict[str, Any]) -> bool:
    return all(math.isfinite(value) for value in record.values())
