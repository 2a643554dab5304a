"""`ostinato train` started by a launcher in two processes: one run, the same curve."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import every_task
from ostinato.train import Run
from small_model import SMALL

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
# without a GPU, its launcher starts several processes only when it is told that there are some
ACCELERATE = [
    *(sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
    *("--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"),
]
# dropout draws other masks in each process
FLAGS = [*SMALL, "--dropout", "0", "--input-dropout", "0", "--validate-every", "5", "--json"]


SHOWN = ("loss", "grad_norm", "held_out_loss")
"""What is compared of each step."""


def launched(launcher: list[str], folder: Path, *arguments: str) -> None:
    command = [*launcher, "-m", "ostinato", "--", "train", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    # its exit code tells nothing: torch's own threads have been seen to abort a process that had
    # done all its work, while it ended; what a run leaves behind is checked by who calls this
    print(done.stderr)


@pytest.fixture
def alone(ostinato, folder: Path) -> list[float]:
    done = ostinato("train", "text", "verse.txt", *FLAGS, "--steps", 12, "--run", "alone")
    assert done.code == 0, done.err
    return [record["loss"] for record in Run(folder / "alone").metrics()]


def test_torchrun(alone: list[float], folder: Path) -> None:
    launched(TORCHRUN, folder, "text", "verse.txt", *FLAGS, "--steps", "8", "--run", "both")
    launched(TORCHRUN, folder, "--resume", "both", "--steps", "12")
    records = Run(folder / "both").metrics()
    assert len(records) == 12
    # as long as the schedule is that of the same number of steps
    assert records[0]["loss"] == pytest.approx(alone[0], rel=1e-5)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == ["alone", "both"]


@pytest.mark.skipif(not importlib.util.find_spec("accelerate"), reason="needs accelerate")
def test_accelerate(alone: list[float], folder: Path) -> None:
    launched(ACCELERATE, folder, "text", "verse.txt", *FLAGS, "--steps", "12", "--run", "both")
    losses = [record["loss"] for record in Run(folder / "both").metrics()]
    assert losses == pytest.approx(alone, rel=1e-4)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tasks, each trained by two processes and by one."""
    folder = tmp_path_factory.mktemp("every")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [])
        every_task.write_data()
        subprocess.run([*TORCHRUN, every_task.__file__], capture_output=True, timeout=300)
        for name in every_task.COMMANDS:
            every_task.train(name, "alone")
    return folder


@pytest.mark.parametrize("name", every_task.COMMANDS)
def test_two_processes_train_every_task_as_one_does(every: Path, name: str) -> None:
    alone, both = (Run(every / where / name).metrics() for where in ("alone", "both"))
    assert [record["step"] for record in both] == list(range(1, 7))
    for one, two in zip(alone, both, strict=True):
        if name in every_task.DRAWS:
            assert two["loss"] != one["loss"]
            continue
        wanted = {key: one[key] for key in SHOWN if key in one}
        assert {key: two.get(key) for key in wanted} == pytest.approx(wanted, rel=1e-3)
