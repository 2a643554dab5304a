"""What a comparison of cells finds: kept as JSON, drawn with bands, told as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, final

from ostinato.cell_names import make_cell
from ostinato.cli.screen import say
from ostinato.data import write_json
from ostinato.data.visible import visible
from ostinato.errors import ArgumentError
from ostinato.tasks import CellSettings, SupervisedTask
from ostinato.tasks.drawing import COLOURS, TRUTH, picture
from ostinato.train import Run, Solver


@dataclass(frozen=True)
class Contestant:
    """A cell of the comparison."""

    name: str
    model: CellSettings

    @property
    def folder(self) -> str:
        """Its name as that of a folder."""
        return self.name.replace(":", "-").replace("@", "-")


@dataclass(frozen=True)
class Trained:
    """A cell trained once: its held-out figure over the steps."""

    cell: str
    seed: int
    parameters: int
    steps: list[int]
    values: list[float]
    figures: dict[str, float]
    """The figures of the best weights."""
    best_step: int
    seconds: float

    @property
    def best(self) -> float:
        """The lowest value."""
        return min(self.values)


def contestants(cells: str, model: CellSettings) -> list[Contestant]:
    """The cells of ``elman@64,lstm``. Raises ArgumentError for what is no cell, size, or twice."""
    found: list[Contestant] = []
    for name in filter(None, (part.strip() for part in cells.split(","))):
        cell, at, size = name.partition("@")
        if at and not (size.isdecimal() and int(size)):
            raise ArgumentError("--cells", wanted="CELL@SIZE, such as lstm@100", got=repr(name))
        _check_cell(cell)
        settings = model.replace(cell=cell, size=int(size) if at else model.size)
        found.append(Contestant(name, settings))
    names = [each.name for each in found]
    if not names or len(set(names)) < len(names):
        raise ArgumentError("--cells", wanted="different cells between commas", got=repr(cells))
    return found


def _check_cell(name: str) -> None:
    """Raise ArgumentError for a cell that is none, before anything is trained."""
    try:
        make_cell(name, 2, 2)
    except ArgumentError as error:
        raise ArgumentError(
            "--cells", wanted=error.wanted, got=error.got, remedy=error.remedy
        ) from error


@final
class Comparison:
    """The trainings of a comparison, in its directory."""

    def __init__(self, folder: Path, task: str) -> None:
        self.folder, self.task = folder, task
        self.trained: list[Trained] = []
        self.diverged: list[dict[str, Any]] = []
        self.baseline: dict[str, float] = {}
        self._curve = ("loss", "loss")
        self._said: set[str] = set()

    def say_once(self, lines: Sequence[str], *, as_json: bool) -> None:
        """Say what was decided about the file that all read, the first time."""
        for line in lines:
            if line not in self._said:
                say(line, as_json=as_json)
        self._said |= set(lines)

    def add(
        self, contestant: Contestant, seed: int, run: Run, task: SupervisedTask, solver: Solver
    ) -> None:
        """Take in a training that is finished."""
        self._see(task)
        key = f"held_out_{task.curve[0]}"
        records = [record for record in run.metrics() if key in record]
        made = Trained(
            contestant.name,
            seed,
            sum(p.numel() for p in task.model.parameters()),
            [record["step"] for record in records],
            [record[key] for record in records],
            solver.best.figures,
            solver.best.step,
            solver.progress.seconds,
        )
        run.write_result({**made.figures, "step": made.best_step})
        self.trained.append(made)

    def leave_out(self, contestant: Contestant, seed: int, task: SupervisedTask) -> None:
        """Note a training whose loss was no finite number."""
        self._see(task)
        self.diverged.append({"cell": contestant.name, "seed": seed})

    def _see(self, task: SupervisedTask) -> None:
        self._curve, self.baseline = task.curve, task.baseline()

    @property
    def cells(self) -> dict[str, list[Trained]]:
        """The trainings of each cell, in the order of the comparison."""
        found: dict[str, list[Trained]] = {}
        for each in self.trained:
            found.setdefault(each.cell, []).append(each)
        return found

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        return {
            "task": self.task,
            "figure": self._curve[1],
            "baseline": self.baseline,
            "trained": [asdict(each) for each in self.trained],
            "diverged": self.diverged,
        }

    def finish(self, *, as_json: bool) -> None:
        """Write compare.json and compare.png, and print the table."""
        write_json(self.folder / "compare.json", self.as_dict())
        self._draw()
        if as_json:
            print(json.dumps(self.as_dict()))
            return
        from rich.console import Console

        Console().print(self._table())
        say(f"kept in {self.folder}: compare.png, compare.json, and a run for each training")

    def _draw(self) -> None:
        with picture(self.folder / "compare.png", size=(8, 5)) as axes:
            for (name, runs), colour in zip(self.cells.items(), _repeated(COLOURS), strict=False):
                steps, values = runs[0].steps, [run.values for run in runs]
                low, high = (list(map(pick, zip(*values, strict=True))) for pick in (min, max))
                mean = list(map(fmean, zip(*values, strict=True)))
                axes[0][0].plot(steps, mean, color=colour, label=name)
                axes[0][0].fill_between(steps, low, high, color=colour, alpha=0.15, linewidth=0)
            baseline = self.baseline["loss"]
            axes[0][0].axhline(baseline, color=TRUTH, linewidth=1, linestyle="--")
            axes[0][0].annotate(
                f"always the same: {baseline:.4g}",
                (1, baseline),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                xytext=(0, 3),
                ha="right",
            )
            axes[0][0].set(xlabel="step", ylabel=f"held-out {self._curve[1]}", yscale="log")
            axes[0][0].legend(frameon=False)

    def _table(self) -> Any:
        from rich.table import Table
        from rich.text import Text

        table = Table(title=f"{self.task}: held-out {self._curve[1]}, means over seeds")
        table.add_column("cell")
        accuracy = ("accuracy",) if "accuracy" in self.baseline else ()
        for name in (
            "weights",
            "last",
            "best",
            "least",
            "most",
            *accuracy,
            "at step",
            "seconds",
        ):
            table.add_column(name, justify="right")
        for name, runs in self.cells.items():
            best = [run.best for run in runs]
            figures = [fmean(run.values[-1] for run in runs), fmean(best), min(best), max(best)]
            figures += [fmean(run.figures[key] for run in runs) for key in accuracy]
            table.add_row(
                Text(visible(name)),
                f"{runs[0].parameters:,}",
                *(f"{figure:.4f}" for figure in figures),
                f"{fmean(run.best_step for run in runs):,.0f}",
                f"{fmean(run.seconds for run in runs):.1f}",
            )
        for each in self.diverged:
            table.add_row(Text(visible(each["cell"])), "", f"seed {each['seed']} diverged")
        said = [f"{self.baseline['loss']:.4f}"] * 4
        said += [f"{self.baseline[key]:.4f}" for key in accuracy]
        table.add_row("always the same", "", *said, "", "")
        return table


def _repeated(colours: Sequence[str]) -> list[str]:
    # more cells than colours are hard to tell apart, but all are drawn
    return list(colours) * 100
