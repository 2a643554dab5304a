"""The training loop: the same for every task, and exactly resumable after every step."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any, final

from torch import Tensor
from torch.optim import Optimizer

from ostinato import _tree, penalties
from ostinato._stages import stage, unshown
from ostinato.train.average import Average
from ostinato.train.checkpoint import load_weights
from ostinato.train.curves import draw_curves
from ostinato.train.errors import LostError
from ostinato.train.finite import DivergedError, check_step
from ostinato.train.history import Several
from ostinato.train.interruption import Interruption
from ostinato.train.journal import Journal
from ostinato.train.optimiser import (
    clip_gradients,
    gradient_norm,
    limit_rows,
    make_optimiser,
)
from ostinato.train.processes import Processes, Split, split_rows
from ostinato.train.progress import Best, Progress
from ostinato.train.randomness import random_state, restore_random_state, seed_everything
from ostinato.train.report import Report, Silent
from ostinato.train.run import Run
from ostinato.train.schedule import ByEpoch, Schedule
from ostinato.train.settings import TrainSettings
from ostinato.train.snapshot import check_moments, check_snapshot, no_snapshot
from ostinato.train.task import Task
from ostinato.train.tensorboard import TensorBoard
from ostinato.typing import State


@final
class Solver:
    """Trains a task: batches in order, state carried, gradients clipped, the best weights kept.

    With a ``run`` it writes metrics, samples, curves and checkpoints there; the ``report`` shows
    the progress. An ``optimiser`` of torch over the task's parameters, such as one with groups of
    parameters, and ``by_epoch``, the share of the learning rate by the epochs done, take the place
    of those that the settings name. Started several times by a launcher (see `Processes`), each
    process trains on its part of each batch, by ``split``.

    `fit` may be stopped by Ctrl-C or SIGTERM at any step: everything that the next step depends on
    is in the checkpoint, so going on gives the same weights, bit for bit, as never having stopped.
    """

    def __init__(
        self,
        task: Task,
        settings: TrainSettings | None = None,
        *,
        run: Run | None = None,
        report: Report | None = None,
        optimiser: Optimizer | None = None,
        by_epoch: ByEpoch | None = None,
        split: Split = split_rows,
    ) -> None:
        self.task, self.settings = task, settings or TrainSettings()
        self.processes, self.split = Processes(), split
        self.run = run if self.processes.main else None
        self.report = self._reports(report)
        self.total_steps = self.settings.total_steps(len(task))
        self.optimiser = optimiser or make_optimiser(task.model, self.settings)
        self.schedule = Schedule(
            self.optimiser, self.settings, self.total_steps, len(task), by_epoch
        )
        self.average = Average(task.model, self.settings.ema) if self.settings.ema else None
        self.progress, self.best = Progress(), Best()
        self.interrupted: int | None = None
        """The signal that stopped `fit`, or None."""
        self._state: State = ()
        self._weights = [p for p in task.model.parameters() if p.requires_grad]

    def _reports(self, report: Report | None) -> Report:
        report = report or Silent()
        if not self.processes.main:
            return Silent()
        if self.settings.tensorboard and self.run is not None:
            return Several(report, TensorBoard(self.run.folder / "tensorboard"))
        return report

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or training has stopped early."""
        patience = self.settings.patience
        stopped_early = patience > 0 and self.best.waited >= patience
        return self.progress.step >= self.total_steps or stopped_early

    def fit(self) -> bool:
        """Train until all steps are done, early stopping, or a signal; whether it is finished.

        A finished task's model has the best weights by held-out loss (their average, with ``ema``).
        Raises DivergedError where the loss or its gradient is no finite number: on a CPU before
        the weights are changed, naming the first parameter; on a GPU a moment later. Raises
        LostError where another process does not answer any more.
        """
        with nullcontext() if self.run is None else self.run.claimed(again=True):
            try:
                return self._fit()
            except LostError as error:
                raise self._way_on(error) from error

    def _way_on(self, error: LostError) -> LostError:
        if self.run is None:
            return error
        kept = f"{self.run.newest_checkpoint()} is kept. To go on, start all of them again with: "
        remedy = f"{error.remedy} {kept}{self.run.command('train --resume')}"
        return LostError(error.argument, wanted=error.wanted, got=error.got, remedy=remedy)

    def _fit(self) -> bool:
        self.processes.agree(self.task.model)
        if self.progress.step == 0 and not self.processes.main:
            self._seed_follower()
        with Interruption() as interruption, self.report, unshown():
            self.report.start(self.total_steps, self.task.unit)
            if not self.finished:
                self._train(interruption)
            self.interrupted = None if self.finished else interruption.signal or signal.SIGTERM
        if self.finished and self.best.weights:
            self.task.model.load_state_dict(self.best.weights)
        if self.run is not None:
            with stage(f"drawing {self.run.curves_path.name}"):
                draw_curves(self.run, *self.task.curve)
        self.processes.wait()  # until the files are there
        return self.finished

    def _seed_follower(self) -> None:
        """Let this process draw other dropout for its rows than the main one for its own."""
        seed_everything(self.settings.seed + self.processes.number + self.progress.step)

    def _train(self, interruption: Interruption) -> None:
        journal = Journal(self.task, self.run, self.report, self.progress)
        self.task.model.train()
        if self.progress.step == 0:
            self._save(journal)
        for batch in self.batches():
            lr = self.schedule.lr
            try:
                loss, norm = self.update(batch)
            except DivergedError:
                journal.flush()
                raise
            validating = self._due(self.settings.validate_every) or self.finished
            figures = self._validate() if validating else {}
            logged = validating or self._due(self.settings.log_every)
            if logged or self.report.every_step:
                journal.step(loss, norm, lr, figures, logged=logged)
            if self._due(self.settings.sample_every) and self.processes.main:
                journal.sample(self._sample())
            if self.finished or self.processes.any(interruption.signal is not None):
                break
            if validating:
                self._save(journal)
        self._save(journal)

    def batches(self) -> Iterator[Any]:
        """All batches from here on, epoch after epoch, for `update`."""
        # An update moves `progress` on, to the next epoch after the last batch of one.
        while True:
            yield from self.task.batches(self.progress.epoch, self.progress.batch)

    def update(self, batch: Any) -> tuple[Tensor, Tensor]:
        """One step; its loss and the norm of its gradient, still on the device."""
        if self.progress.batch == 0:
            self._state = self.processes.rows(self.task.initial_state())
        loss, norm = self._differentiate(batch)
        clip_gradients(self._weights, self.settings.clip, norm)
        self.optimiser.step()
        limit_rows(self._weights, self.settings.max_norm)
        self.schedule.stepped()
        if self.average is not None:
            self.average.update()
        self.progress.advance(self.task.batch_units, len(self.task))
        return loss, norm

    def _differentiate(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Put the gradients of a batch in place; its loss and their norm."""
        processes, share = self.processes, 1.0
        if processes.count > 1:
            batch, share = self.split(batch, processes.number, processes.count)
        with penalties() as added:
            loss, self._state = self.task.loss(batch, self._state)
        if added:  # the figure stays that of the task, to be compared with held-out ones
            loss = loss + added.total - added.total.detach()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        loss = processes.average(self._weights, loss, share)
        norm = gradient_norm(self._weights)
        if norm.device.type == "cpu":  # elsewhere looking would wait for the device
            kept = f" {self.run.folder} keeps the weights before." if self.run else ""
            remedy = f"Lower `lr`, or clip the gradients (`clip=1`).{kept}"
            check_step(self.task.model, loss, norm, f" at step {self.progress.step + 1}", remedy)
        return loss, norm

    def _due(self, every: int) -> bool:
        return every > 0 and self.progress.step % every == 0

    def _judged(self) -> AbstractContextManager[None]:
        """Within the block the model has the weights that are judged and kept."""
        return nullcontext() if self.average is None else self.average.applied()

    def _validate(self) -> dict[str, float]:
        with self._judged():
            figures = self.processes.told(
                dict(self.task.validate()) if self.processes.main else None
            )
            self.best.consider(figures, self.progress.step, self.task.model.state_dict())
        self.schedule.validated(figures["loss"])
        return figures

    def _sample(self) -> str:
        with self._judged():
            return self.task.sample(self.progress.step)

    def _save(self, journal: Journal) -> None:
        # First the journal: it finds a diverged loss, whose weights must not be saved, and the
        # checkpoint remembers how long its files are.
        journal.flush()
        if self.run is not None or self.processes.count > 1:
            snapshot = self.snapshot()  # together: each process knows its own part of the state
            if self.run is not None:
                self.run.save_checkpoint(self.progress.step, snapshot)

    def snapshot(self) -> dict[str, Any]:
        """Everything that the next step depends on, as a tree for `save_checkpoint`.

        Several processes make it together: each has its own rows of the state and its own chance.
        """
        chance, *others = self.processes.gather(random_state())
        return {
            **self._own(),
            # At the start of an epoch the state is made anew.
            "state": self.processes.join(self._state) if self.progress.batch else [],
            "random": chance,
            "random_of_others": others,
            "sizes": self.run.sizes() if self.run is not None else {},
        }

    def _own(self) -> dict[str, Any]:
        """What is the same in all processes."""
        optimiser = self.optimiser.state_dict()
        return {
            "model": self.task.model.state_dict(),
            "optimiser": {
                "state": {str(number): value for number, value in optimiser["state"].items()},
                "param_groups": optimiser["param_groups"],
            },
            "schedule": self.schedule.state_dict(),
            "average": self.average
            and {"values": self.average.values, "steps": self.average.steps},
            "progress": asdict(self.progress),
            "best": vars(self.best),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Go on where `snapshot` was taken, by a solver of the same task and settings.

        Raises CheckpointError for the weights of another model, and for what is no snapshot of
        such a solver; the run's files are left as they are then.
        """
        load_weights(self.task.model, snapshot.get("model", {}), "snapshot")
        check_snapshot(snapshot, self._own(), batches=len(self.task))
        check_moments(snapshot["optimiser"], self.optimiser)
        try:
            self._restore(snapshot)
        except (KeyError, TypeError, ValueError, RuntimeError, StopIteration) as error:
            raise no_snapshot("what torch could not take up again") from error
        if self.run is not None:
            self.run.cut_back(snapshot["sizes"])

    def _restore(self, snapshot: dict[str, Any]) -> None:
        optimiser = snapshot["optimiser"]
        state = {int(number): value for number, value in optimiser["state"].items()}
        self.optimiser.load_state_dict({**optimiser, "state": state})
        self.schedule.load_state_dict(snapshot["schedule"])
        if self.average is not None:
            self.average.load(**snapshot["average"])
        self.progress = Progress(**snapshot["progress"])
        self.best = Best(**snapshot["best"])
        if self.progress.batch:
            leaves = iter(snapshot["state"])
            whole = _tree.map(lambda leaf: next(leaves).to(leaf), self.task.initial_state())
            self._state = self.processes.rows(whole)
        chances = [snapshot["random"], *snapshot["random_of_others"]]
        if self.processes.number < len(chances):
            restore_random_state(chances[self.processes.number])
        else:
            self._seed_follower()
