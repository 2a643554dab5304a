"""``ostinato train TASK`` and ``ostinato train --resume RUN``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from ostinato.cli.code import AllowCode
from ostinato.cli.train_seq2seq import seq2seq
from ostinato.cli.train_series import series
from ostinato.cli.train_supervised import command_for
from ostinato.cli.train_text import text
from ostinato.cli.training import train_run
from ostinato.data.tables.reader import is_table
from ostinato.errors import ArgumentError
from ostinato.runs import job_of
from ostinato.runs.job import open_run, section, train_settings
from ostinato.tasks import RECIPES
from ostinato.train.folders import command


class TaskOrRun(TyperGroup):
    """The tasks, and in words what cannot be told a run that goes on."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        flags = [argument.partition("=")[0] for argument in args]
        if "--resume" in flags:
            place = flags.index("--resume")
            _, _, run = args[place].partition("=")
            others = flags[:place] + flags[place + (1 if run else 2) :]
            known = {flag for parameter in self.get_params(ctx) for flag in parameter.opts}
            unknown = [flag for flag in others if flag.startswith("-") and flag not in known]
            # after the name of a task they are that task's, and so refused with it
            if unknown and not self.commands.keys() & others:
                raise _fixed(unknown[0], run or "".join(args[place + 1 : place + 2]))
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name not in self.commands and ctx.params.get("run") is not None:
            raise _fixed(name, ctx.params["run"])
        if name not in self.commands and Path(name).exists():
            words = f"train {_task_for(name)}"
            raise ArgumentError(
                "TASK",
                wanted=f"one of {', '.join(self.commands)}",
                got=f"the path {name}",
                remedy=f"Name the task before it: {command(words, Path(name))}",
            )
        return super().resolve_command(ctx, args)


def _task_for(path: str) -> str:
    """A task that reads files of this kind."""
    return "series" if is_table(Path(path)) else "text"


def _fixed(got: str, run: str | Path) -> ArgumentError:
    run = Path(run)
    return ArgumentError(
        "--resume",
        wanted="nothing but the run, --steps, --json and --allow-code: its data and its settings "
        "are fixed",
        got=f"{got} beside it",
        remedy=f"To go on: {command('train --resume', run)}. To train its model on other data, in "
        f"a run of its own: {command('train TASK FILE --from', run)}",
    )


train = typer.Typer(cls=TaskOrRun, help="Train a model, or go on with a run that was stopped.")
train.command()(text)
for recipe in RECIPES.values():
    train.command(recipe.name)(command_for(recipe))
train.command()(series)
train.command()(seq2seq)


@train.callback(invoke_without_command=True)
def train_or_resume(
    context: typer.Context,
    run: Annotated[
        Path | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with this run, exactly as if it had never stopped. A checkpoint file in "
            "RUN/checkpoints goes on from there.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=0, help="With --resume: change the number of steps of the whole run."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --resume: print one JSON object a step.")
    ] = False,
    allow_code: AllowCode = False,
) -> None:
    """Train a model, or go on with a run that was stopped."""
    task = context.invoked_subcommand
    if run is None:
        given = {"--steps": steps is not None, "--json": as_json, "--allow-code": allow_code}
        _refuse_alone(next((flag for flag in given if given[flag]), None), task)
        if task is None:
            print(context.get_help())
    elif task is None:
        go_on(run, steps, allow_code=allow_code, as_json=as_json)
    else:
        raise ArgumentError(
            "--resume",
            wanted="a run to go on with, or a task to begin",
            got=f"both --resume and {task}",
            remedy=f"A run knows its task and settings: {command('train --resume', run)}",
        )


def _refuse_alone(flag: str | None, task: str | None) -> None:
    """Raise ArgumentError for a flag that belongs to --resume, or after the task."""
    if flag is None:
        return
    remedy = f"Put {flag} after {task}: ostinato train {task} {flag}" if task else ""
    raise ArgumentError(
        "--resume", wanted="the run to go on with", got=f"{flag} without --resume", remedy=remedy
    )


def go_on(path: Path, steps: int | None, *, allow_code: bool, as_json: bool) -> None:
    """Go on with the run at a directory, or from one of its checkpoints."""
    run, checkpoint = open_run(path, allow_code=allow_code)
    with run.claimed():
        config = run.read_config()
        if steps is not None:
            config["train"] = section(config, "train", run) | {"steps": steps}
        job = job_of(config, run)
        task, settings = job.prepare(run, config), train_settings(config, run)
        train_run(
            run,
            job,
            task,
            settings,
            resume=checkpoint or run.newest_checkpoint(),
            config=None if steps is None else config,
            as_json=as_json,
        )
