"""The public face: what is exported, what it says of itself, and what it costs to import."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ostinato

SOURCE = Path(__file__).parents[2] / "src" / "ostinato"
FILES = sorted(SOURCE.rglob("*.py"))

ROOT = [
    "BiSequencer",
    "BiSequencerLM",
    "Cell",
    "Comparison",
    "Composite",
    "EmitState",
    "Explanation",
    "GateDropout",
    "HeldDropout",
    "LayerNorm",
    "LearnedState",
    "Lift",
    "Loaded",
    "MaskZero",
    "NormPenalty",
    "Picture",
    "Recurrence",
    "Recurrent",
    "RecurrentDropout",
    "Recursor",
    "Repeater",
    "Residual",
    "Sequencer",
    "Stack",
    "WeightDrop",
    "Zoneout",
    "__version__",
    "as_cell",
    "attention",
    "backend",
    "cells",
    "check",
    "chunks",
    "criteria",
    "detach",
    "draw",
    "draw_on_error",
    "errors",
    "explain",
    "flatten_parameters_and_grads",
    "init",
    "last",
    "load",
    "nn",
    "nonzero_rows",
    "penalties",
    "permutation_importance",
    "reverse",
    "shuffled",
    "torch7",
    "unroll",
]
"""A change here is a change for users: write it into CHANGELOG.md."""

NO_SHAPES = {
    "EmitState": "its shapes are those of the cell it is given",
    "LearnedState": "its shapes are those of the cell it is given",
    "LayerNorm": "x, y and the state are those of the cell it is given; it says n",
    "Stack": "its shapes are those of its layers",
    "Zoneout": "its shapes are those of the cell it is given",
    "Comparison": "takes no tensor",
    "Explanation": "takes no tensor",
    "as_cell": "takes no tensor",
    "backend": "takes no tensor",
    "Loaded": "takes no tensor",
    "Swap": "takes no tensor",
    "load": "takes no tensor",
    "swap": "takes no tensor",
    "check": "takes the arguments of unroll, which says their shapes",
    "detach": "takes a state of any shape and keeps it",
}
SHAPE = re.compile(r"\[(<= )?[a-zA-Z0-9.*_]+(, ?[a-zA-Z0-9.*_]+)*(, \.\.\.)?\]")
CORE = (
    "ostinato",
    "ostinato.cells",
    "ostinato.combine",
    "ostinato.sequence",
    "ostinato.nn",
    "ostinato.criteria",
    "ostinato.attention",
    "ostinato.torch7",
)
HEAVY = (
    "tokenizers",
    "rich",
    "typer",
    "matplotlib",
    "safetensors",
    "llvmlite",
    "polars",
    "accelerate",
    "tensorboard",
)


def public() -> dict[str, object]:
    found: dict[str, object] = {}
    for name in CORE:
        module = importlib.import_module(name)
        for key in getattr(module, "__all__", ()):
            made = getattr(module, key)
            if inspect.isclass(made) or inspect.isfunction(made):
                found[f"{name}.{key}"] = made
    return found


PUBLIC = public()


def test_root() -> None:
    assert sorted(ostinato.__all__) == ROOT
    assert all(hasattr(ostinato, name) for name in ROOT)
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", ostinato.__version__)


@pytest.mark.parametrize("name", PUBLIC)
def test_docstring_with_shapes(name: str) -> None:
    made = PUBLIC[name]
    said = inspect.getdoc(made) or ""
    assert len(said) > 20
    short = name.split(".")[-1]
    if short in NO_SHAPES:
        return
    if inspect.isclass(made):
        said += inspect.getdoc(made.forward) or "" if hasattr(made, "forward") else ""
    assert SHAPE.search(said), f"{name} says no shape such as [T, B, H]"


def test_exemptions_are_needed() -> None:
    known = {name.split(".")[-1] for name in PUBLIC}
    assert set(NO_SHAPES) <= known


def definitions(path: Path) -> list[ast.ClassDef | ast.FunctionDef]:
    body = ast.parse(path.read_text()).body
    kinds = (ast.ClassDef, ast.FunctionDef)
    return [n for n in body if isinstance(n, kinds) and not n.name.startswith("_")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_module(path: Path) -> None:
    """A docstring for the module and all that is public in it, and at most 400 lines."""
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "the module has no docstring"
    assert len(text.splitlines()) <= 400
    overloaded = [
        n.name for n in definitions(path) if "overload" in map(ast.unparse, n.decorator_list)
    ]
    # a function there is the rule for the torch op of its name, and torch says what that does
    rules = path.parent.name == "lower" or path.name == "noise.py"
    kinds = ast.ClassDef if rules else (ast.ClassDef, ast.FunctionDef)
    made = [n for n in definitions(path) if isinstance(n, kinds)]
    bare = [n.name for n in made if not ast.get_docstring(n)]
    assert not set(bare) - set(overloaded)


def imported_by(statement: str) -> set[str]:
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in json.loads(made.stdout)}


def test_import_costs_nothing_optional() -> None:
    assert not imported_by("import ostinato") & set(HEAVY) - imported_by("import torch")


def test_the_core_imports_no_task() -> None:
    code = "import ostinato, sys; print([m for m in sys.modules if m.startswith('ostinato.')])"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    tasks = ("text", "series", "seq2seq", "tasks", "train", "cli", "data", "drawing", "runs")
    assert not [name for name in tasks if f"'ostinato.{name}'" in made.stdout]
