"""The code that a run asks for: which class of cells, from where, and whether that may be.

The cell of a run is a name in its ``config.json``. Importing what a name leads to runs code, and
the file may be anyone's; so a name that is not the library's is imported only where the caller has
allowed it, and never from the run itself or from another run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from ostinato.cell_names import LIBRARY, imported, is_cell_class
from ostinato.data.typed import shown
from ostinato.train.errors import CodeError


def named_cell(config: Mapping[str, Any]) -> str | None:
    """The cell that a config names where it is none of ostinato or torch: code to be imported."""
    model = config.get("model")
    name = model.get("cell") if isinstance(model, dict) else None
    foreign = isinstance(name, str) and ":" in name and name not in LIBRARY
    return name if foreign else None


def check_code(config: Mapping[str, Any], folder: Path, *, allowed: bool) -> None:
    """Raise CodeError where a config names code that is not allowed or no class of cells.

    Nothing is imported before it is allowed, and nothing at all from within a run.
    """
    name = named_cell(config)
    if name is None:
        return
    places = list(_places(name.partition(":")[0]))
    inside = next((place for place in places if _in_a_run(place, folder)), None)
    where = f"be imported from {places[-1]}" if places else "be imported, if Python found it"
    if inside is not None:
        raise CodeError(
            f"cell of {folder}",
            wanted="a class of cells from outside of any run",
            got=f"{name!r}, which would {where}, inside of a run",
            remedy="Nothing is imported from a run. If you have read that file and trust it, copy "
            "it to a folder on PYTHONPATH.",
        )
    if not allowed:
        raise CodeError(
            f"cell of {folder}",
            wanted="a cell of ostinato, as opening a run should not run the code of others",
            got=f"{name!r}, which would {where}",
            remedy="If you trust it, allow it: --allow-code, in Python allow_code=True. The folder "
            "of its module has to be on PYTHONPATH.",
        )
    if not is_cell_class(kind := imported(name)):
        raise CodeError(
            f"cell of {folder}",
            wanted="a class of cells, of ostinato.Cell or a cell of torch",
            got=f"{name!r}, which is {shown(kind)}",
        )


def _places(module: str) -> Iterator[Path]:
    """The files and folders that importing a module would read, its packages first.

    Specs are looked up package by package from where the one before lies, as importing does, but
    without running any of them.
    """
    paths: Sequence[str] | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        try:
            spec = _spec(name, paths)
        except KeyError:  # a package without a file, in one that is not imported
            spec = None
            paths = [str(Path(path) / part) for path in paths or () if (Path(path) / part).is_dir()]
        else:
            if spec is None:
                return
            paths = list(spec.submodule_search_locations or ())
        if spec is not None and spec.has_location and spec.origin is not None:
            yield Path(spec.origin).resolve()
        else:
            yield from (Path(path).resolve() for path in paths)


def _spec(name: str, paths: Sequence[str] | None) -> ModuleSpec | None:
    known = getattr(sys.modules.get(name), "__spec__", None)
    if known is not None:
        return known
    for finder in sys.meta_path:
        spec = finder.find_spec(name, paths, None)
        if spec is not None:
            return spec
    return None


def _in_a_run(place: Path, folder: Path) -> bool:
    return place.is_relative_to(folder.resolve()) or any(map(_is_run, place.parents))


def _is_run(folder: Path) -> bool:
    """Whether a folder is a run; others have a config.json too."""
    with suppress(OSError, ValueError, RecursionError):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return isinstance(config, dict) and {"ostinato", "task"} <= config.keys()
    return False
