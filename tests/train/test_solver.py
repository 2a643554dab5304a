"""The loop: what it keeps, when it stops, and that it goes on bit for bit."""

import math
import os
import signal
from typing import Any

import pytest
import torch
from noisy_wave import Wave

from ostinato.train import CheckpointError, DivergedError, Run, Silent, Solver, TrainSettings
from ostinato.train.optimiser import OPTIMISERS
from ostinato.train.solver import Interruption
from same_values import same

# What depends on the clock, or on the directory, and not on training.
CLOCK = {"seconds", "steps_per_second"}


def last(run: Run) -> dict[str, Any]:
    """All that is in the newest checkpoint but the sizes of files, which have times in them."""
    return {key: value for key, value in run.load_checkpoint().items() if key != "sizes"}


class StopAt(Silent):
    """Sends this process a signal when a step is done."""

    def __init__(self, step: int, number: signal.Signals = signal.SIGTERM) -> None:
        self.step, self.number = step, number

    def steps(self, records: list[dict[str, Any]]) -> None:
        if any(record["step"] == self.step for record in records):
            os.kill(os.getpid(), self.number)


@pytest.fixture(autouse=True)
def _every_step_is_reported(monkeypatch) -> None:
    monkeypatch.setattr("ostinato.train.journal._PATIENCE", -1)


def test_a_run_is_written_down(make_solver) -> None:
    solver = make_solver()
    assert solver.fit()
    records = solver.run.metrics()
    assert [record["step"] for record in records] == list(range(1, 18))
    assert [r["step"] for r in records if "held_out_loss" in r] == [4, 8, 12, 16, 17]
    wanted = {"step", "loss", "root", "grad_norm", "epoch", "steps", "lr", "seconds"}
    assert set(records[0]) == wanted | {"steps_per_second"}
    assert records[-1]["epoch"] == pytest.approx(3.4)
    assert records[-1]["steps"] == 17 * 24
    assert "----- step 12 -----\na sample at 12\n" in solver.run.samples_path.read_text()
    assert solver.run.curves_path.is_file()
    assert records[-1]["loss"] < records[0]["loss"]


@pytest.mark.parametrize("step", [1, 4, 5, 6, 9, 16])
def test_going_on_is_never_having_stopped(make_solver, step: int) -> None:
    make_solver("whole").fit()
    stopped = make_solver("parts", report=StopAt(step))
    assert not stopped.fit()
    assert stopped.interrupted == signal.SIGTERM
    assert stopped.progress.step == step
    resumed = make_solver("parts", resume=True)
    assert resumed.fit()
    whole, parts = Run(resumed.run.folder.parent / "whole"), resumed.run
    assert same(last(whole), last(parts), CLOCK)
    assert same(whole.metrics(), parts.metrics(), CLOCK)
    assert whole.samples_path.read_text() == parts.samples_path.read_text()


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": "sgd", "schedule": "linear", "ema": 0.0},
        {"optimiser": "adam", "schedule": "plateau", "lr": 0.5},
        {"optimiser": "rmsprop", "schedule": "onecycle", "log_every": 3},
        {"epochs": 3.0, "steps": None, "patience": 3, "schedule": "hold"},
    ],
    ids=str,
)
def test_every_kind_of_training_goes_on(make_solver, changes: dict[str, Any]) -> None:
    make_solver("whole", **changes).fit()
    # Stopped three times, the last time after a checkpoint that is lost.
    make_solver("parts", report=StopAt(3), **changes).fit()
    make_solver("parts", resume=True, report=StopAt(9), **changes).fit()
    resumed = make_solver("parts", resume=True, **changes)
    resumed.fit()
    whole = Run(resumed.run.folder.parent / "whole")
    assert same(last(whole), last(resumed.run), CLOCK)
    assert same(whole.metrics(), resumed.run.metrics(), CLOCK)


def test_a_crash_loses_only_what_came_after_the_checkpoint(make_solver) -> None:
    class Crash(StopAt):
        def steps(self, records: list[dict[str, Any]]) -> None:
            if records[-1]["step"] == self.step:
                raise MemoryError

    make_solver("whole").fit()
    with pytest.raises(MemoryError):
        make_solver("parts", report=Crash(11)).fit()
    resumed = make_solver("parts", resume=True)
    assert resumed.progress.step == 8
    resumed.fit()
    whole = Run(resumed.run.folder.parent / "whole")
    assert same(last(whole), last(resumed.run), CLOCK)
    assert same(whole.metrics(), resumed.run.metrics(), CLOCK)
    assert whole.samples_path.read_text() == resumed.run.samples_path.read_text()


def test_a_finished_run_stays_finished(make_solver) -> None:
    make_solver().fit()
    again = make_solver(resume=True)
    before = last(again.run)
    assert again.fit()
    assert same(before, last(again.run), CLOCK)
    assert len(again.run.metrics()) == 17


def test_the_best_weights_are_kept(make_solver) -> None:
    solver = make_solver()
    solver.task.validations = [5.0, 1.0, 3.0, 4.0, 6.0]
    solver.fit()
    assert (solver.best.step, solver.best.loss, solver.best.waited) == (8, 1.0, 3)
    weights = solver.task.model.state_dict()
    assert same(weights, solver.best.weights, CLOCK)
    checkpoint = last(solver.run)
    assert same(checkpoint["best"]["weights"], solver.best.weights, CLOCK)
    assert not same(checkpoint["model"], solver.best.weights, CLOCK)


def test_the_average_is_what_is_judged(make_solver) -> None:
    solver = make_solver(steps=4)
    solver.fit()
    names = [name for name, _ in solver.task.model.named_parameters()]
    average = dict(zip(names, solver.average.values, strict=True))
    assert same({name: solver.best.weights[name] for name in names}, average, CLOCK)


def test_early_stopping(make_solver) -> None:
    solver = make_solver(steps=100, patience=2)
    solver.task.validations = [3.0, 2.0, 2.5, 2.0, 9.0]
    assert solver.fit()
    assert solver.progress.step == 16
    assert solver.best.step == 8
    assert make_solver(resume=True, steps=100, patience=2).finished


class Diverging(Wave):
    """A wave whose loss, or only its gradient, is bad from step 7 on."""

    def __init__(self, bad: float, gradient_only: bool) -> None:
        super().__init__()
        self.bad, self.gradient_only, self.steps = bad, gradient_only, 0

    def loss(self, batch, state):
        loss, state = super().loss(batch, state)
        self.steps += self.model.training
        if self.steps < 7:
            return loss, state
        bad = loss * self.bad
        return (bad - bad.detach() + loss.detach() if self.gradient_only else bad), state


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("gradient_only", [False, True])
def test_what_diverges_ends_and_is_not_saved(make_solver, bad, gradient_only, monkeypatch) -> None:
    # All records wait until the checkpoint after step 8.
    monkeypatch.setattr("ostinato.train.journal._PATIENCE", 1000)
    solver = make_solver(task=Diverging(bad, gradient_only))
    wanted = r"layers\.0\.weight_ih\.grad: .* got (nan|inf|-inf) in .* at step 7\. Lower `lr`"
    with pytest.raises(DivergedError, match=wanted):
        solver.fit()
    assert all(value.isfinite().all() for value in solver.task.model.state_dict().values())
    saved = last(solver.run)
    assert saved["progress"]["step"] == 4
    assert all(value.isfinite().all() for value in saved["model"].values())
    assert len(solver.run.metrics()) == 6


def test_without_a_run_nothing_is_written(make_solver, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    task = make_solver("other").task
    solver = Solver(task, TrainSettings(steps=3, validate_every=2))
    assert solver.fit()
    assert solver.best.weights
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_no_steps_at_all(make_solver) -> None:
    solver = make_solver(steps=0)
    assert solver.fit()
    assert solver.run.metrics() == []


def test_the_model_is_in_training_mode_again_after_a_validation(make_solver) -> None:
    solver = make_solver()
    solver.task.model.eval()
    solver.fit()
    assert solver.task.model.training


def test_a_second_interrupt_stops_at_once() -> None:
    # a program started in the background of a shell ignores Ctrl-C
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt_twice() -> None:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGINT)
            assert interruption.signal == signal.SIGINT
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        interrupt_twice()
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


MOMENTS = {
    "gone": lambda moments: moments.pop("exp_avg_sq"),
    "none": lambda moments: moments.update(exp_avg=None) or moments.update(exp_avg=[1]),
    "text": lambda moments: moments.update(exp_avg="x"),
    "of another shape": lambda moments: moments.update(exp_avg=torch.zeros(9, 9)),
    "of another dtype": lambda moments: moments.update(step=torch.zeros(1, dtype=torch.int64)),
}


@pytest.mark.parametrize("change", MOMENTS)
def test_moments_that_do_not_fit_are_refused(make_solver, change: str) -> None:
    solver = make_solver("first", steps=4)
    solver.fit()
    snapshot = solver.run.load_checkpoint()
    make_solver("second", steps=4).restore(snapshot)
    MOMENTS[change](snapshot["optimiser"]["state"]["0"])
    with pytest.raises(CheckpointError, match="optimiser: state: 0"):
        make_solver("third", steps=4).restore(snapshot)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser_goes_on_with_its_moments(make_solver, name: str) -> None:
    solver = make_solver("first", steps=4, optimiser=name)
    solver.fit()
    again = make_solver("second", steps=6, optimiser=name)
    again.restore(solver.run.load_checkpoint())
    assert again.fit()
