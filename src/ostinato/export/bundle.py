"""A folder with ONNX files of a trained model, what belongs to them, and a README."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from torch import Tensor

from ostinato.data.files import what_is
from ostinato.errors import ArgumentError
from ostinato.export.compare import Session, difference
from ostinato.export.graph import Graph, at_rest, checked_path
from ostinato.export.readme import readme

Outputs = Sequence[Tensor]
Check = Callable[[Mapping[str, Session]], Iterable[tuple[Outputs, Outputs]]]
"""From the files, open, by the names in `Bundle.graphs`: pairs of what the model gives and what
they give, on data that the model was judged by."""

README = "README.md"


@final
@dataclass(frozen=True)
class Bundle:
    """What goes into the folder."""

    graphs: Mapping[str, Graph]
    """By what stands between the name of the file and its ``.onnx``: nothing for the main one."""
    files: Mapping[str, Callable[[Path], None]]
    """What writes each of the other files, by name."""
    check: Check
    reads: Sequence[str]
    """What the inputs and outputs mean, a line each."""

    def names(self, path: Path) -> dict[str, str]:
        """The name of the file of each graph, where the main one is at a path."""
        return {part: f"{path.stem}{part}.onnx" for part in self.graphs}


def write_bundle(bundle: Bundle, path: Path, title: str, *, overwrite: bool = False) -> float:
    """Write all files of a bundle, the main one at ``path``, after comparing them with the model.

    All are made and checked in a folder of their own, and then take their places one by one, the
    main one last. Gives the largest difference that was found, as a share of the outputs. Raises
    ArgumentError where one of the files is there already and is not to be overwritten, ExportError
    where the outputs differ.
    """
    path = checked_places(bundle, path, overwrite=overwrite)
    names = bundle.names(path)
    with workplace(path.parent) as folder:
        for part, graph in bundle.graphs.items():
            graph.write(folder / names[part])
        worst = compared(bundle, {part: folder / name for part, name in names.items()})
        for name, write in bundle.files.items():
            write(folder / name)
        text = readme(title, bundle.graphs, names, [*bundle.files], bundle.reads, worst)
        (folder / README).write_text(text, encoding="utf-8")
        made = sorted(folder.iterdir(), key=lambda file: file.name == path.name)
        for file in made:
            os.replace(file, path.parent / file.name)
    return worst


def checked_places(bundle: Bundle, path: Path, *, overwrite: bool) -> Path:
    """The path; ArgumentError where something is in the way of a file."""
    path = checked_path(path, overwrite=True, folder_may_be_new=True, argument="to")
    for name in (*bundle.names(path).values(), *bundle.files, README):
        place = path.parent / name
        if place.is_dir() or (place.exists() and not overwrite):
            raise ArgumentError(
                "to",
                wanted=f"a place for {name} beside {path.name}",
                got=what_is(place),
                remedy="Name a file in another folder, which may be new"
                + ("." if place.is_dir() else ", or take its place with `overwrite=True`."),
            )
    return path


def compared(bundle: Bundle, files: Mapping[str, Path]) -> float:
    """The largest difference between the model and its files."""
    sessions = {part: Session(file) for part, file in files.items()}
    worst = 0.0
    with at_rest(next(iter(bundle.graphs.values())).module):
        for ours, theirs in bundle.check(sessions):
            worst = max(worst, difference(ours, theirs, files[""].name))
    return worst


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A folder to work in, within one that is made where it is not there; gone afterwards."""
    new = not folder.exists()
    folder.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".ostinato-", dir=folder))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if new and not any(folder.iterdir()):
            folder.rmdir()
