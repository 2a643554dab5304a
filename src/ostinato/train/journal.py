"""What happens in training, written down: to the run's files and to whoever watches."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, final

from torch import Tensor

from ostinato.errors import OstinatoError
from ostinato.train.progress import Progress
from ostinato.train.report import Report
from ostinato.train.run import Run
from ostinato.train.task import Task

# Seconds between looks at the losses. Reading one waits for its step to end, which costs nothing on
# a CPU but would stop a GPU from working ahead; and four times a second is all that an eye follows.
_PATIENCE = 0.25

# Steps over which the speed is averaged.
_WINDOW = 100


class DivergedError(OstinatoError, ArithmeticError):
    """A loss that is no finite number."""


@final
class Journal:
    """Gathers the records of steps and hands them on a few times a second."""

    def __init__(self, task: Task, run: Run | None, report: Report, progress: Progress) -> None:
        self._task, self._run, self._report, self._progress = task, run, report, progress
        self._waiting: list[tuple[dict[str, Any], Tensor, Tensor]] = []
        self._began = time.perf_counter() - progress.seconds
        self._recent = deque([(progress.seconds, progress.units)], maxlen=_WINDOW)
        self._flushed = time.perf_counter()

    def step(self, loss: Tensor, norm: Tensor, lr: float, held_out: Mapping[str, float]) -> None:
        """Note a step: its loss and gradient norm (scalars), and held-out figures if there are."""
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
        self._waiting.append((record, loss, norm))
        if held_out or now - self._flushed > _PATIENCE:
            self.flush()

    def sample(self, text: str) -> None:
        """Note a sample of what the model makes now."""
        self.flush()
        self._report.sample(self._progress.step, text)
        if self._run is not None:
            head = f"----- step {self._progress.step} -----\n"
            self._run.append(self._run.samples_path, [f"{head}{text}\n\n"])

    def flush(self) -> None:
        """Hand on all that waits. Raises DivergedError where a loss is no finite number."""
        records = [self._finish(*waiting) for waiting in self._waiting]
        self._waiting.clear()
        self._flushed = time.perf_counter()
        if records and self._run is not None:
            lines = (json.dumps(record) + "\n" for record in records)
            self._run.append(self._run.metrics_path, lines)
        if records:
            self._report.steps(records)

    def _finish(self, record: dict[str, Any], loss: Tensor, norm: Tensor) -> dict[str, Any]:
        value = loss.item()
        if not math.isfinite(value):
            raise self._diverged(value, record["step"])
        step = record.pop("step")
        figures = {"loss": value, **self._task.figures(value)}
        return {"step": step, **figures, "grad_norm": norm.item(), **record}

    def _speed(self) -> float:
        progress = self._progress
        self._recent.append((progress.seconds, progress.units))
        seconds, units = self._recent[0]
        return (progress.units - units) / max(1e-9, progress.seconds - seconds)

    def _diverged(self, value: float, step: int) -> DivergedError:
        where = "" if self._run is None else f" {self._run.folder} keeps the weights before."
        return DivergedError(
            "loss",
            wanted="a finite number",
            got=f"{value} at step {step}",
            remedy=f"Lower lr, or clip the gradients (clip=1).{where}",
        )
