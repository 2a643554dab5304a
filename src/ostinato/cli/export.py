"""``ostinato export RUN --to model.onnx``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

import ostinato
from ostinato._stages import stage
from ostinato.cli.code import AllowCode
from ostinato.cli.screen import say
from ostinato.data import require, write_json
from ostinato.export.bundle import Bundle, checked_places, write_bundle
from ostinato.export.graph import checked_path
from ostinato.train import RunError


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run, or one of its checkpoint files.")
    ],
    to: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The ONNX file, which ends in .onnx; its folder may be new."
        ),
    ],
    *,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream", help="A model of one step, its states inputs and outputs, not of sequences."
        ),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take the place of files that are there.")
    ] = False,
    allow_code: AllowCode = False,
) -> None:
    """Write the best weights of a run as a model for ONNX Runtime, without Python or torch.

    Beside it stand what turns data into its inputs (tokeniser, vocabularies, scales, labels), the
    settings of the run, and a README that says what goes in and comes out. The file is run beside
    the model on held-out data first; where they differ, nothing is written.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package, "onnx")
    checked_path(to, overwrite=True, folder_may_be_new=True, argument="to")
    loaded = ostinato.load(run, allow_code=allow_code)
    job = loaded.job
    if job.exported is None:
        raise RunError(str(run), wanted="a run of a model to export", got=f"one of {job.name}")
    torch.set_num_threads(1)  # what is checked is small
    bundle = with_settings(job.exported(loaded.task, stream=stream), loaded)
    checked_places(bundle, to, overwrite=overwrite)
    title = f"{to.stem}: {job.describe(loaded.task)}"
    with stage("exporting and comparing"):
        worst = write_bundle(bundle, to, title, overwrite=overwrite)
    size = to.stat().st_size
    say(f"written: {to} ({size / 1e6:.1f} MB); in ONNX Runtime its outputs are those of the run,")
    say(f"within {worst:.1e} of their size, on held-out data")
    beside = [name for name in bundle.names(to).values() if name != to.name]
    say(f"beside it: {', '.join([*beside, *bundle.files, 'README.md'])}")


def with_settings(bundle: Bundle, loaded: Any) -> Bundle:
    """The bundle with the settings of the run, as a file."""
    config = loaded.run.read_config()
    write = partial(write_json, value=config)
    files = {**bundle.files, "settings.json": write}
    return Bundle(bundle.graphs, files, bundle.check, bundle.reads)
