"""Calls under `torch.compile`: one operator each in a graph without breaks, equal to the call.

The tables run in processes of their own, as Dynamo is slow to load, and a fault could be a crash.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ostinato import cells, unroll
from ostinato.backends import in_graph, operator, request
from ostinato.errors import BackendError

HERE = Path(__file__).parent


def held(script: str, *arguments: str) -> int:
    """Run a table: how many of its rows hold; AssertionError with the others."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-X", "faulthandler", str(HERE / script), *arguments],
        capture_output=True, text=True, timeout=1200, check=False,
    )  # fmt: skip
    *faults, last = run.stdout.splitlines() or [""]
    assert not faults, run.stdout
    assert last.endswith(" hold"), run.stdout + run.stderr
    return int(last.split()[0])


def test_every_form_is_equal_without_a_break() -> None:
    assert held("compiled_forms.py", "aot_eager") == 30
    assert held("compiled_forms.py", "eager") == 8


@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
def test_forms_are_equal_by_inductor() -> None:
    assert held("compiled_forms.py", "inductor") == 8


def test_what_surrounds_an_operator() -> None:
    assert held("compiled_cases.py") == 31


def test_forms_can_be_written_and_read() -> None:
    given = [
        (("T", "B", 4), torch.zeros(1)),
        ((7,), torch.zeros(1, dtype=torch.bool)),
        ((), torch.zeros(())),
    ]
    found = request.forms(request.spelled(given))
    assert [shape for shape, _, _ in found] == [("T", "B", 4), (7,), ()]
    assert [dtype for _, dtype, _ in found] == [torch.float32, torch.bool, torch.float32]
    assert request.forms("") == []


def test_a_graph_lives_as_long_as_its_token() -> None:
    inputs = [torch.ones(2, requires_grad=True)]
    token = operator.keep(inputs, [inputs[0] * 3])
    copy = token.clone()
    (grad,) = operator.pull_now(copy, "float32 cpu ?", [2], [torch.ones(2)])
    assert grad.tolist() == [3, 3]
    del token
    with pytest.raises(BackendError, match="graph that the forward has left"):
        operator.pull_now(copy, "float32 cpu ?", [2], [torch.ones(2)])


def test_nothing_of_dynamo_is_loaded_without_it() -> None:
    code = (
        "import sys, torch, ostinato; from ostinato import cells, unroll;"
        "unroll(cells.GRU(3, 4), torch.ones(4, 2, 3))[0].sum().backward();"
        "print('torch._dynamo' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_call_that_is_not_compiled_stays_as_it_was() -> None:
    assert not in_graph.compiling()
    known = len(request.REQUESTS)
    unroll(cells.GRU(3, 4), torch.ones(4, 2, 3))
    assert len(request.REQUESTS) == known
