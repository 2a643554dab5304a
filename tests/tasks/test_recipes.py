"""The tasks by name: their problems, and the pictures they leave."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.data import LabelledSettings
from ostinato.errors import ArgumentError
from ostinato.tasks import RECIPES, SequenceModel
from ostinato.tasks.cosine import CosineSettings, continued
from ostinato.tasks.cosine import problem as cosine_problem
from ostinato.tasks.toy_pictures import likeness

PNG = b"\x89PNG"


@pytest.mark.parametrize("name", ["adding", "copy", "cos", "digits", "classify"])
def test_a_problem_of_its_own(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    problem = recipe.problem(recipe.data, None, tmp_path)
    again = recipe.problem(recipe.data, None, tmp_path)
    assert torch.equal(problem.train.steps, again.train.steps)
    assert torch.equal(problem.held_out.targets, again.held_out.targets)
    assert problem.summary
    model = SequenceModel(
        problem.inputs,
        problem.aim.outputs,
        recipe.model.replace(size=4),
        tokens=problem.tokens,
        per_step=problem.train.per_step,
    )
    batch = problem.train.take(torch.arange(3))
    assert problem.aim.loss(model(batch.xs, batch.lengths), batch).isfinite()


@pytest.mark.parametrize("kind", ["fixed", "variable", "direct"])
def test_the_toy_draws_what_it_says(kind: str, tmp_path: Path) -> None:
    recipe = RECIPES["toy"]
    data = recipe.data.replace(kind=kind, num_train=700, num_held_out=300)
    problem = recipe.problem(data, None, tmp_path)
    assert (len(problem.train), len(problem.held_out)) == (700, 300)
    # one mean and deviation, of the training part
    assert problem.train.steps.mean().item() == pytest.approx(0, abs=1e-5)
    assert problem.train.steps.std().item() == pytest.approx(1, abs=1e-5)
    model = SequenceModel(1, 1, recipe.model.replace(size=4), per_step=kind == "direct")
    assert problem.report is not None
    figures = problem.report(model, tmp_path)
    for name in ("predictions.png", "problem.png"):
        assert (tmp_path / name).read_bytes()[:4] == PNG
    rows = np.loadtxt(tmp_path / "predictions.csv", delimiter=",", skiprows=1)
    assert rows.shape == (600 if kind == "direct" else 200, 2)
    off = ((rows[:, 0] - rows[:, 1]) ** 2).mean()
    assert figures["error_without_noise"] == pytest.approx(off, rel=1e-4)
    if kind == "direct":
        assert rows[:3, 0].tolist() == [0, -1, -2]
    assert problem.report(model, None) == figures


def test_likeness() -> None:
    alike = likeness(torch.tensor([[0.0, 0], [3, 4]]))
    torch.testing.assert_close(alike, torch.tensor([[1, math.exp(-5)], [math.exp(-5), 1]]))


class Recurrence(torch.nn.Module):
    """cos(t + d) = 2 cos(d) cos(t) - cos(t - d), exactly what is to be learned."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.readout = torch.nn.Linear(1, 1)
        self.step = step

    def forward(self, xs, lengths=None):
        return 2 * math.cos(self.step) * xs[-1] - xs[-2]


def test_the_cosine_is_continued_by_the_model_alone(tmp_path: Path) -> None:
    settings = CosineSettings(num_values=400, end=40.0, forecast=50)
    problem = cosine_problem(settings, None, tmp_path)
    assert len(problem.train) == 310  # 320 values, each after ten others
    assert len(problem.held_out) == 80
    # the first held-out target is the value at the border
    assert problem.held_out.targets[0].item() == pytest.approx(math.cos(320 * 40 / 399), abs=1e-5)
    model = Recurrence(40 / 399)
    assert problem.report is not None
    figures = problem.report(model, tmp_path)  # pyright: ignore
    assert figures["forecast_largest_error"] < 1e-2
    assert figures["forecast_rmse"] <= figures["forecast_largest_error"]
    assert (tmp_path / "forecast.png").read_bytes()[:4] == PNG
    begin = problem.held_out.steps[:10, 0]
    assert continued(model, begin, 3).shape == (3,)  # pyright: ignore


def test_copy_is_judged_by_the_copy(tmp_path: Path) -> None:
    recipe = RECIPES["copy"]
    problem = recipe.problem(recipe.data.replace(num_train=50, num_held_out=20), None, tmp_path)
    silent = torch.nn.functional.one_hot(torch.tensor(8), 10).float()
    outputs = silent.expand(len(problem.held_out.steps), -1)
    assert problem.aim.figures(outputs, problem.held_out)["accuracy"] == 0
    baseline = problem.aim.baseline(problem.train, problem.held_out)
    assert baseline["loss"] == pytest.approx(5 * math.log(8) / 30)
    assert 0 < baseline["accuracy"] < 0.3


def test_a_file_is_kept_in_the_run(tmp_path: Path) -> None:
    table, run = tmp_path / "mood.csv", tmp_path / "run"
    table.write_text("text,label\n" + "so good,plus\nso bad,minus\n" * 10)
    run.mkdir()
    recipe = RECIPES["classify"]
    first = recipe.problem(recipe.data, table, run)
    table.unlink()
    again = recipe.problem(recipe.data, table, run)
    assert torch.equal(first.train.steps, again.train.steps)
    assert again.encoding is not None
    assert again.encoding.labels == ("minus", "plus")
    assert (len(again.train), len(again.held_out)) == (16, 4)


def test_tags_need_a_file(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="ostinato train tag FILE --tokens space"):
        RECIPES["tag"].problem(LabelledSettings(), None, tmp_path)
