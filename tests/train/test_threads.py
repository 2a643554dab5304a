"""The number of threads of a training: by what a step has to do, kept by the run."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ostinato.errors import ArgumentError
from ostinato.runs import job
from ostinato.train import TrainSettings


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def task(size: int, units: int = 800):
    return SimpleNamespace(model=nn.Linear(size, size), batch_units=units)


@pytest.mark.parametrize(
    ("size", "cores", "wanted"), [(8, 4, 1), (1000, 4, 4), (1000, 2, 2), (700, 8, 2)]
)
def test_auto_takes_as_many_as_are_of_use(monkeypatch, size, cores, wanted) -> None:
    monkeypatch.setattr(job, "num_cores", lambda: cores)
    settled = job.settle_threads(TrainSettings(), task(size))
    assert settled.threads == wanted


def test_processes_share_the_cores(monkeypatch) -> None:
    monkeypatch.setattr(job, "num_cores", lambda: 4)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert job.settle_threads(TrainSettings(), task(1000)).threads == 1


def test_tables_that_are_read_are_no_work() -> None:
    model = nn.Sequential(nn.Embedding(10_000, 1000), nn.Linear(10, 10))
    assert job.work_of(SimpleNamespace(model=model, batch_units=1)) == 600


def test_a_number_is_taken_as_it_is() -> None:
    settled = job.settle_threads(TrainSettings(threads="2"), task(8))
    assert settled.threads == 2
    assert torch.get_num_threads() == 2


def test_first_weights_under_auto_are_those_of_one_thread() -> None:
    torch.set_num_threads(2)
    job.set_up(TrainSettings())
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("given", ["two", "-1", "0", 0, "1.5", ""])
def test_other_words_are_refused(given) -> None:
    with pytest.raises(ArgumentError, match="threads"):
        TrainSettings(threads=given)
