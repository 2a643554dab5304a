"""Any run becomes its task again, by one name."""

import random
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import ostinato
from every_task import COMMANDS, write_data
from ostinato.cli import main
from ostinato.runs import JOBS
from ostinato.runs.registry import FAMILIES
from ostinato.train import RunError, Solver, TrainSettings
from ostinato.train.randomness import seed_everything


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("every")


@pytest.fixture
def trained(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """The run of a task, trained for six steps when it is first asked for."""

    def run(name: str) -> Path:
        if not (folder / name).exists():
            monkeypatch.chdir(folder)
            write_data()
            flags = [*COMMANDS[name].split(), "--run", name]
            monkeypatch.setattr(sys, "argv", ["ostinato", "train", *flags])
            with pytest.raises(SystemExit) as ended:
                main()
            assert not ended.value.code
        return folder / name

    return run


def test_every_task_is_tried() -> None:
    assert {*JOBS} <= {*COMMANDS}
    assert sorted(JOBS) == sorted(job.name for family in FAMILIES for job in family)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_run_of_any_task(name: str, trained: Callable[[str], Path]) -> None:
    path = trained(name)
    opened = ostinato.load(path)
    best = opened.run.load_checkpoint(part="best")
    assert best["step"] > 0
    assert all(torch.equal(opened.model.state_dict()[n], w) for n, w in best["weights"].items())
    assert not opened.model.training
    assert opened.task.model is opened.model
    found = opened.task.validate()
    assert found["loss"] == pytest.approx(best["figures"]["loss"], rel=1e-4)
    assert isinstance(opened.settings["train"], TrainSettings)
    assert opened.settings["train"].steps == 6
    assert path / "config.json" in opened.files
    assert opened.run.metrics()[-1]["step"] == 6
    assert opened.job.describe(opened.task)


def test_what_is_loaded_can_be_trained(trained: Callable[[str], Path]) -> None:
    task = ostinato.load(trained("adding")).task
    before = task.validate()["loss"]
    Solver(task, TrainSettings(steps=40, lr=0.01)).fit()
    assert task.validate()["loss"] < before


def draw() -> tuple[float, float, float]:
    return torch.rand(()).item(), float(np.random.rand()), random.random()


def test_chance_and_threads_are_left_alone(trained: Callable[[str], Path]) -> None:
    path = str(trained("cos"))
    seed_everything(7)
    wanted = draw()
    seed_everything(7)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        ostinato.load(path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert draw() == wanted


def test_a_checkpoint_is_the_model_by_then(trained: Callable[[str], Path]) -> None:
    path = trained("toy")
    first = min((path / "checkpoints").iterdir())
    by_then, now = (ostinato.load(each).model.state_dict() for each in (first, path))
    assert any(not torch.equal(by_then[name], now[name]) for name in now)


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run: wanted the directory of a run, got .*nowhere"):
        ostinato.load(tmp_path / "nowhere")
