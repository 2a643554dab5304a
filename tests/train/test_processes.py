"""Two processes train as one does with the same batches, and go on where they stopped."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import shared_training
import torch

from ostinato.data import Batch
from ostinato.errors import ArgumentError
from ostinato.train import Processes, Run, split_first, split_rows
from same_values import same

CLOCK = {"seconds", "steps_per_second"}
LAUNCHER = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes leave behind."""
    folder = tmp_path_factory.mktemp("together")
    command = [*LAUNCHER, shared_training.__file__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    # torch's own threads have been seen to abort a process while it ended, after all its work
    assert (folder / "curves.json").exists(), done.stderr
    return folder


@pytest.mark.parametrize("name", shared_training.CURVES)
def test_two_processes_give_the_curve_of_one(together: Path, name: str) -> None:
    found = json.loads((together / "curves.json").read_text())[name]
    wanted = shared_training.CURVES[name]()
    assert len(wanted) == 12 + 12 + 3
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_two_processes_go_on_bit_for_bit(together: Path) -> None:
    whole, parts = Run(together / "whole"), Run(together / "parts")
    assert same(whole.metrics(), parts.metrics(), CLOCK)
    one, other = whole.load_checkpoint(), parts.load_checkpoint()
    assert len(one["random_of_others"]) == 1
    assert not same(one["random"], one["random_of_others"][0], CLOCK)
    assert one["state"][0].shape == (3, 5)  # of the whole batch
    one.pop("sizes"), other.pop("sizes")
    assert same(one, other, CLOCK)


def test_one_process_goes_on_where_two_stopped(together: Path) -> None:
    solver = shared_training.Solver(shared_training.Wave(), shared_training.SETTINGS)
    solver.restore(Run(together / "whole").load_checkpoint())
    assert solver.finished
    assert solver.progress.step == 12


def test_alone_nothing_is_parted() -> None:
    alone = Processes()
    assert (alone.main, alone.number, alone.count) == (True, 0, 1)
    assert alone.gather(3) == [3]
    assert alone.told("a") == "a"
    assert alone.any(True)
    assert not alone.any(False)


def parts(split: Any, batch: Any) -> list[tuple[Any, float]]:
    return [split(batch, number, 2) for number in range(2)]


def test_rows_of_sequences() -> None:
    xs, targets = torch.arange(10).view(2, 5), torch.arange(5)
    (first, two), (second, three) = parts(split_rows, (xs, targets))
    assert (two, three) == (2, 3)
    assert torch.equal(torch.cat([first[0], second[0]], 1), xs)
    assert torch.equal(torch.cat([first[1], second[1]]), targets)


def test_rows_that_do_not_fit_each_other() -> None:
    wanted = r"split: .*got \(\[6, 4, 2\], \[4, 1\]\)\. Use split_first"
    with pytest.raises(ArgumentError, match=wanted):
        split_rows((torch.zeros(6, 4, 2), torch.zeros(4, 1)), 0, 2)


def test_rows_of_a_batch_count_by_what_is_wanted_of_them() -> None:
    xs, lengths = torch.arange(15).view(3, 5), torch.tensor([3, 1, 2, 2, 0])
    batch = Batch(xs, torch.arange(5), lengths)
    assert [share for _, share in parts(split_rows, batch)] == [2, 3]
    (first, four), (second, rest) = parts(split_rows, Batch(xs, xs, lengths, per_step=True))
    assert (four, rest) == (4, 4)
    assert torch.equal(torch.cat([first.targets, second.targets], 1), xs)
    assert second.lengths is not None
    assert second.lengths.tolist() == [2, 2, 0]


def test_rows_first() -> None:
    (first, two), (second, three) = parts(split_first, [torch.arange(10).view(5, 2)])
    assert (two, three) == (2, 3)
    assert torch.cat([first[0], second[0]])[:, 0].tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("split", [split_rows, split_first])
def test_fewer_rows_than_processes(split: Any) -> None:
    with pytest.raises(ArgumentError, match=r"batch_size: .*each of 2 processes.*last=drop"):
        split((torch.zeros(1, 1),), 0, 2)
