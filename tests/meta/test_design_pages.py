"""What docs/design says is so: files that it names exist, and its worked example is made anew."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from ostinato import cells
from ostinato.backends.call import Call
from ostinato.backends.fused.explain import account
from ostinato.backends.fused.ir.values import Value, topological
from ostinato.backends.fused.lower.step import lower
from ostinato.backends.fused.trace.record import record
from ostinato.backends.fused.trace.recording import Recording
from ostinato.backends.stepping import FUSED

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "design").glob("*.md"))
FUSED_FOLDER = ROOT / "src" / "ostinato" / "backends" / "fused"
FILE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:py|md|txt|toml|sh))`")
FOLDER = re.compile(r"`((?:[\w-]+/)+)`")


def exists(name: str) -> bool:
    """Whether a page may name a file or folder so: from the root, the sources or the compiler."""
    starts = (ROOT, ROOT / "src" / "ostinato", ROOT / "src" / "ostinato" / "backends", FUSED_FOLDER)
    return any((start / name).exists() for start in starts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    named = {*FILE.findall(text), *FOLDER.findall(text)}
    assert [name for name in sorted(named) if not exists(name)] == []


def a_gru() -> Call:
    torch.manual_seed(0)
    cell = cells.GRU(2, 3)
    return Call(cell, torch.randn(4, 2, 2), cell.initial_state(2))


def recorded(recording: Recording, known: dict[int, str]) -> str:
    """The operations of a step, a line each."""
    names = dict(known)
    for i, x in enumerate(recording.xs):
        names[id(x)] = "x" if i == 0 else f"x{i}"
    for i, state in enumerate(recording.states):
        names[id(state)] = "h" if i == 0 else f"h{i}"

    def spell(value: Any) -> Any:
        return names.get(id(value), "?") if isinstance(value, Tensor) else value

    lines: list[str] = []
    for op in recording.ops:
        results = [r for r in op.results if r is not None]
        for result in results:
            names[id(result)] = f"t{len(names) - len(known)}"
        given = ", ".join(str(tree_map(spell, arg)).replace("'", "") for arg in op.args)
        made = ", ".join(f"{names[id(r)]} {list(r.shape)}" for r in results)
        lines.append(f"{made} = {op.name}({given})")
    return "\n".join(lines)


def valued(roots: list[Value]) -> str:
    """The values that a step is, a line each."""
    lines: list[str] = []
    for v in topological(roots):
        if v.op in ("input", "param", "const"):
            continue
        args = ", ".join(a.spelled if a.op == "const" else a.name for a in v.args)
        what = v.function if v.op == "pointwise" else v.op
        where = f" from {v.reading.offset}" if v.op == "view" else ""
        lines.append(f"{v.name} {list(v.shape)} = {what}({args}){where}")
    return "\n".join(lines)


def stories() -> dict[str, str]:
    """The blocks of the worked example by their names."""
    call = a_gru()
    known = {id(t): n for n, t in call.cell.named_parameters()}
    with torch.enable_grad():
        recording = record(call.cell, call.xs, call.state, call.batch_size)
    step = lower(recording, torch.float32, known)
    told = account(FUSED.recipe(call))
    plan, _, kernels = told.partition("\n\n")
    forward = kernels.split("\n\n")[0].strip()
    return {
        "recording": recorded(recording, known),
        "program": valued([*step.after, *step.ys]),
        "plan": plan.split("\nbackward:")[0],
        "kernel": forward,
    }


def blocks() -> dict[str, str]:
    """What the page shows."""
    text = (ROOT / "docs" / "design" / "fused.md").read_text()
    found = re.findall(r"<!-- gru: (\w+) -->\n```\w*\n(.*?)\n```", text, re.DOTALL)
    return dict(found)


@pytest.mark.parametrize("name", ["recording", "program", "plan", "kernel"])
def test_the_worked_example_is_what_the_compiler_does(name: str) -> None:
    assert blocks()[name] == stories()[name]
