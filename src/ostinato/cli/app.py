"""The commands of the program."""

from __future__ import annotations

from typing import Annotated, Any

import torch
import typer
from typer.core import TyperGroup

from ostinato import __version__
from ostinato.cli.bench import bench
from ostinato.cli.classify import classify, tag
from ostinato.cli.compare import compare
from ostinato.cli.draw import draw
from ostinato.cli.evaluate import evaluate
from ostinato.cli.explain import explain
from ostinato.cli.export import export
from ostinato.cli.forecast import forecast
from ostinato.cli.info import info
from ostinato.cli.report import report
from ostinato.cli.sample import sample
from ostinato.cli.train import train
from ostinato.cli.translate import translate


class TrainFirst(TyperGroup):
    """Lists what trains before what uses a model that is trained."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(self.commands, key=lambda name: name not in ("train", "compare"))


app = typer.Typer(
    cls=TrainFirst,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train recurrent networks and use them. Start with: [bold]ostinato train text[/]",
    rich_markup_mode="rich",
)
app.add_typer(train, name="train")
app.command()(sample)
app.command()(classify)
app.command()(tag)
app.command()(forecast)
app.command()(translate)
app.command()(evaluate)
app.command()(export)
app.command()(info)
app.command()(report)
app.add_typer(compare, name="compare")
app.command()(explain)
app.command()(draw)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(bench)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"ostinato {__version__} (torch {torch.__version__})")
        raise typer.Exit


@app.callback()
def ostinato(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Options of the program itself."""
