"""The picture of a run."""

import json
from pathlib import Path

import pytest

from ostinato.train import Run, draw_curves
from ostinato.train.curves import falls_far, means


@pytest.mark.parametrize("number", [1, 2, 1000])
def test_a_picture_is_drawn(tmp_path: Path, number: int) -> None:
    run = Run.create("text", tmp_path / "run")
    records = [{"step": i, "bpc": 3 - i / number, "lr": 0.1} for i in range(1, number + 1)]
    records[-1]["held_out_bpc"] = 2.5
    run.append(run.metrics_path, (json.dumps(record) + "\n" for record in records))
    draw_curves(run, "bpc", "bits per character")
    assert run.curves_path.read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in run.folder.iterdir()} == {
        "checkpoints",
        "curves.png",
        "metrics.jsonl",
    }


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    draw_curves(run, "bpc", "bits per character")
    assert not run.curves_path.exists()


def test_many_steps_become_means() -> None:
    steps, values = means(list(range(900)), [float(i) for i in range(900)])
    assert len(steps) == 300
    assert steps[0] == values[0] == 1.0


@pytest.mark.parametrize(
    ("values", "far"),
    [([], False), ([5.0, 0.2], False), ([5.0, 0.01], True), ([5.0, 0.0], False), ([5, -1], False)],
)
def test_a_long_fall_is_logarithmic(values: list[float], far: bool) -> None:
    assert falls_far(values) is far
