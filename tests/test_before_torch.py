"""How torch's threads wait: said by the program before torch is loaded, and by nobody else."""

import os
import subprocess
import sys

import pytest

from ostinato._before_torch import SAID, SPINS

SHOW = "import os; print(os.environ.get('GOMP_SPINCOUNT'))"


def environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in SAID} | more


def run(*words: str, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        env=environment(**more),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_library_leaves_the_environment_as_it_is() -> None:
    assert run("-c", f"import ostinato; {SHOW}") == "None"


@pytest.fixture
def program(tmp_path):
    """A file that is called as the program is, and shows what it has set."""
    path = tmp_path / "ostinato"
    path.write_text(f"import ostinato\n{SHOW}\n")
    return str(path)


def test_the_program_lets_threads_sleep_soon(program) -> None:
    assert run(program) == SPINS


@pytest.mark.parametrize("name", SAID)
def test_who_has_said_how_threads_wait_is_left_alone(program, name) -> None:
    given = {name: "7"}
    assert run(program, **given) == ("7" if name == "GOMP_SPINCOUNT" else "None")


def test_it_is_said_before_torch_is_loaded(tmp_path) -> None:
    path = tmp_path / "ostinato"
    path.write_text(f"import torch\nimport ostinato\n{SHOW}\n")
    assert run(str(path)) == "None", "too late"
