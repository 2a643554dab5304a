"""Training from the command line, the same for every kind of task."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ostinato.cli.follow import lead
from ostinato.cli.page import leave_page, note_command
from ostinato.cli.screen import choose_report, say
from ostinato.runs import Job
from ostinato.runs.job import settle_threads, use_of
from ostinato.train import Run, Solver, Task, TrainSettings
from ostinato.train.report import duration


def train_run(
    run: Run,
    job: Job[Any],
    task: Task,
    settings: TrainSettings,
    *,
    resume: Path | None = None,
    config: dict[str, Any] | None = None,
    as_json: bool,
) -> None:
    """Train a run to its end, from a checkpoint or from the start, and say how it went.

    A ``config`` takes the place of the run's, once the checkpoint is taken up.

    Exits with 128 + the signal's number where a signal stopped it, as shells do.
    """
    settings = with_threads(run, task, settings)
    title = f"{run.folder}: {job.describe(task)}"
    say(title, as_json=as_json)
    report = choose_report(str(run.folder), as_json=as_json)
    solver = Solver(task, settings, run=run, report=report)
    with run.claimed(again=True):
        if resume is not None:
            solver.restore(run.load_checkpoint(resume))
            run.set_aside_after(resume)
        if config is not None:
            run.write_config(config)
        note_command(run, solver)
        lead(solver.processes, run, resume)
        finished = solver.fit()
        if not finished:
            leave_page(run, job, solver)
            _say_stopped(run, solver, as_json)
            raise typer.Exit(128 + (solver.interrupted or signal.SIGINT))
        _conclude(run, job, solver, as_json)


def with_threads(run: Run, task: Task, settings: TrainSettings) -> TrainSettings:
    """The settings with a number of threads, which the run keeps when it is resumed."""
    settled = settle_threads(settings, task)
    if settled != settings:
        config = run.read_config()
        config["train"] |= {"threads": settled.threads}
        run.write_config(config)
    return settled


def _say_stopped(run: Run, solver: Solver, as_json: bool) -> None:
    step, total = solver.progress.step, solver.total_steps
    say(
        f"stopped at step {step:,} of {total:,}, and saved. To go on:\n"
        f"  {run.command('train --resume')}",
        as_json=as_json,
    )


@contextmanager
def termination_interrupts() -> Iterator[None]:
    """Within the block SIGTERM interrupts as Ctrl-C does, with its number."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_not_measured(run: Run, as_json: bool) -> None:
    say(
        f"stopped while the trained model was measured; it is saved. To measure it:\n"
        f"  {run.command('train --resume')}",
        as_json=as_json,
    )


def _conclude(run: Run, job: Job[Any], solver: Solver, as_json: bool) -> None:
    step = solver.progress.step
    total = solver.total_steps
    early = f"; stopped early at step {step:,} of {total:,}" if step < total else ""
    say(
        f"trained {step:,} steps in {duration(solver.progress.seconds)}; "
        f"best weights: step {solver.best.step:,}{early}",
        as_json=as_json,
    )
    try:
        with run.writing(), termination_interrupts():
            found = job.conclude(solver.task, run.folder)
    except KeyboardInterrupt as stop:
        _say_not_measured(run, as_json)
        raise typer.Exit(128 + (stop.args[0] if stop.args else signal.SIGINT)) from None
    run.write_result({**found.figures, "step": solver.best.step, "steps": step})
    leave_page(run, job, solver, found)
    say(str(found), as_json=as_json)  # its remarks were told at the beginning
    say(
        f"kept in {run.folder}: {', '.join(_to_look_at(run))}. To go on:\n  {use_of(run, job)}",
        as_json=as_json,
    )


def _to_look_at(run: Run) -> list[str]:
    """The files for people in a run, the page that has them all first."""
    pictures = sorted(path.name for path in run.folder.glob("[!.]*.png"))
    page = [run.report_path.name] if run.report_path.is_file() else []
    there = [path.name for path in (run.samples_path, run.metrics_path) if path.is_file()]
    return [*page, *pictures, *there]
