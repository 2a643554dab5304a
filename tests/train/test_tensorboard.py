"""Records as files that TensorBoard reads."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from ostinato.data.requirements import MissingPackage
from ostinato.train import TensorBoard

HERE = importlib.util.find_spec("tensorboard") is not None


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The values of each chart by step, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, round(event.value, 4)) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


@pytest.mark.skipif(HERE, reason="needs an environment without tensorboard")
def test_its_extra_is_named_where_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingPackage, match=r"ostinato\[tensorboard\]"):
        TensorBoard(tmp_path)


@pytest.mark.skipif(not HERE, reason="needs tensorboard")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_run_with_tensorboard(make_solver: Any) -> None:
    solver = make_solver(tensorboard=True)
    solver.fit()
    found = read(solver.run.folder / "tensorboard")
    records = solver.run.metrics()
    assert found["training/loss"] == [(r["step"], round(r["loss"], 4)) for r in records]
    assert [step for step, _ in found["held_out/loss"]] == [4, 8, 12, 16, 17]
    assert {"training/lr", "training/grad_norm", "held_out/root"} <= found.keys()


@pytest.mark.skipif(not HERE, reason="needs tensorboard")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_going_on_takes_the_place_of_what_came_after(tmp_path: Path) -> None:
    for values in ({1: 0.5, 2: 0.4, 3: 9.0}, {3: 0.3, 4: 0.2}):
        with TensorBoard(tmp_path) as report:
            report.steps([{"step": step, "loss": loss} for step, loss in values.items()])
            report.sample(max(values), "some\ntext")
    assert read(tmp_path) == {"training/loss": [(1, 0.5), (2, 0.4), (3, 0.3), (4, 0.2)]}
