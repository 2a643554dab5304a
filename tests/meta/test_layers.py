"""Who may import whom (design: "Layout and who may import whom"), read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "ostinato"

LEVELS = {
    **dict.fromkeys(
        (
            "errors",
            "typing",
            "_exporting",
            "_tree",
            "_padding",
            "_judging",
            "_stages",
            "conclusion",
        ),
        0,
    ),
    **dict.fromkeys(("cell", "init", "flat"), 1),
    **dict.fromkeys(("cells", "combine"), 2),
    **dict.fromkeys(("backends", "cell_names"), 3),
    **dict.fromkeys(("sequence", "nn", "torch7"), 4),
    **dict.fromkeys(("criteria", "attention", "importance"), 5),
    **dict.fromkeys(("data", "text", "series", "seq2seq", "tasks", "train", "drawing"), 6),
    "report": 7,
    "runs": 8,
    "cli": 9,
}
"""A lower level never imports a higher one."""

TASKS = {"text", "series", "seq2seq", "tasks", "train", "drawing"}
"""Level 6 but for data: siblings, which import data and not each other."""

PUBLIC = 5
"""From this level on, modules may read the core by its public names, `from ostinato import ...`."""

FILES = sorted(SOURCE.rglob("*.py"))


def module(path: Path) -> str:
    """The dotted name within ostinato, "" for the root."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def part(name: str) -> str:
    """The top-level part that a module belongs to."""
    return name.split(".")[0]


def exists(name: str) -> bool:
    place = SOURCE.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def imports(path: Path, *, for_types: bool = True) -> list[str]:
    """The modules of ostinato that a file imports, wherever in the file; "" for the root.

    Without ``for_types``, those under ``if TYPE_CHECKING`` are left out.
    """
    found: list[str] = []
    tree = ast.parse(path.read_text())
    if not for_types:
        tree.body = [node for node in tree.body if "TYPE_CHECKING" not in ast.unparse(node)[:20]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            inner = base.removeprefix("ostinato").strip(".")
            for alias in node.names:
                below = ".".join(filter(None, (inner, alias.name)))
                is_module = base.split(".")[0] == "ostinato" and exists(below)
                found.append(f"{base}.{alias.name}" if is_module else base)
    own = [name for name in found if name.split(".")[0] == "ostinato"]
    return [name.removeprefix("ostinato").strip(".") for name in own]


@pytest.mark.parametrize("path", FILES, ids=module)
def test_imports_go_down(path: Path) -> None:
    own = part(module(path))
    if own in ("", "__main__"):  # the root shows the core to users
        return
    assert own in LEVELS, f"{own}: give it a level in this test and in the design"
    for name in imports(path):
        if name == "":
            assert LEVELS[own] >= PUBLIC, f"{path}: the core imports its modules, not the root"
            continue
        assert LEVELS[part(name)] <= LEVELS[own], f"{path} imports {name}"
        both = {own, part(name)}
        assert not (both <= TASKS and len(both) == 2), f"{path}: a task imports {name}"


def test_the_root_imports_the_core_only() -> None:
    """What the root hands on at first use it names for types alone."""
    core = imports(SOURCE / "__init__.py", for_types=False)
    assert all(LEVELS[part(name)] < 6 for name in core)


def test_data_imports_no_task() -> None:
    for path in FILES:
        if part(module(path)) == "data":
            assert not TASKS & {part(name) for name in imports(path)}


def test_no_cycles() -> None:
    """Within a level too: files can be read in an order in which each needs only those before."""
    graph = {module(path): set(imports(path)) - {""} for path in FILES if module(path)}
    for name in graph:  # a package that a file belongs to imports that file: not a cycle
        graph[name] = {other for other in graph[name] if not name.startswith(f"{other}.")}
    done: set[str] = set()
    while ready := {name for name, needs in graph.items() if name not in done and needs <= done}:
        done |= ready
    assert not set(graph) - done


def test_a_cell_knows_no_backend_and_the_compiler_no_cell() -> None:
    for path in FILES:
        name = module(path)
        if name.startswith("backends.fused"):
            assert not any(part(other) in ("cells", "combine") for other in imports(path)), path
        if part(name) in ("cell", "cells", "combine"):
            assert "backend" not in " ".join(imports(path)), path


def test_nothing_is_built_on_inheritance_from_final_classes_or_modes() -> None:
    """House rule 7: abstract or final. A cell or combinator is marked as one of the two."""
    for path in FILES:
        if part(module(path)) not in ("cells", "combine"):
            continue
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and {
                "Cell",
                "Wrapper",
                "GatedCell",
                "GatedMemory",
            } & bases(node):
                marks = {ast.unparse(mark) for mark in node.decorator_list}
                abstract = any("abstractmethod" in ast.unparse(n) for n in node.body)
                assert "final" in marks or abstract or node.name == "Wrapper", node.name


def bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base) for base in node.bases}
