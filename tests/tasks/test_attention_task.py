"""The network that looks at images piece by piece: its gradients, its places, its pictures."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.attention import ClassReward
from ostinato.data import Batch, ImageSettings, Samples, bundled
from ostinato.errors import ArgumentError
from ostinato.tasks import (
    RECIPES,
    Classification,
    Problem,
    SupervisedTask,
    VisualAttention,
    VisualAttentionSettings,
    predict,
)
from ostinato.tasks.attention import on_canvas, report
from ostinato.tasks.attention_pictures import Shown
from ostinato.train import Solver, TrainSettings

SMALL = VisualAttentionSettings(size=6, sensor=4, joint=5, glimpses=3, patch=3)
PNG = b"\x89PNG"


def network(side: tuple[int, int] = (8, 7), **settings) -> VisualAttention:
    torch.manual_seed(0)
    return VisualAttention(side, 4, SMALL.replace(**settings))


def batch(rows: int = 5, side: tuple[int, int] = (8, 7)) -> Batch:
    draw = torch.Generator().manual_seed(1)
    xs = torch.rand(side[0], rows, side[1], generator=draw)
    return Batch(xs, torch.arange(rows) % 4)


@pytest.mark.parametrize("cell", ["elman", "lstm", "torch.nn:GRUCell"])
def test_shapes(cell: str) -> None:
    model, made = network(cell=cell), batch()
    scores, places, log_prob = model.look(made.xs)
    assert scores.shape == (5, 4)
    assert places.shape == (3, 5, 2)
    assert log_prob.shape == (3, 5)
    assert model(made.xs).shape == (5, 4)
    assert model.loss(made).shape == ()


def gradients(model: VisualAttention, loss: Tensor) -> dict[str, Tensor]:
    """The gradients of a loss by the name of the parameter; without those it does not reach."""
    names, weights = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return {name: each for name, each in zip(names, found, strict=True) if each is not None}


def test_places_learn_by_reward_alone_and_the_classifier_by_cross_entropy_alone() -> None:
    model, made = network(), batch()
    scores, places, log_prob = model.look(made.xs)
    assert not places.requires_grad
    baseline = model.baseline.expand(len(scores))
    seen = gradients(model, F.cross_entropy(scores, made.targets))
    scores, _, log_prob = model.look(made.xs)
    reward = ClassReward(0.1)(scores, made.targets, log_prob, baseline)
    rewarded = gradients(model, reward)
    locator = {name for name, _ in model.named_parameters() if ".action." in name}
    readout = {"readout.weight", "readout.bias"}
    assert len(locator) == 2
    assert not seen.keys() & (locator | {"baseline"})
    assert not rewarded.keys() & readout
    assert seen.keys() >= readout
    assert rewarded.keys() >= locator | {"baseline"}
    # the reward reaches the cell as well, through what the locator reads
    assert any(name in rewarded for name in seen)


def test_the_loss_is_both_with_the_value_of_cross_entropy() -> None:
    model, made = network(reward=0.5), batch()
    torch.manual_seed(3)
    scores, _, log_prob = model.look(made.xs)
    entropy = F.cross_entropy(scores, made.targets)
    # by hand: the advantage is a constant, and the baseline learns by its squared error
    right = 0.5 * (scores.argmax(1) == made.targets).float()
    advantage = right - model.baseline.detach()
    policy = -(advantage * log_prob.sum(0)).mean()
    by_hand = gradients(model, entropy + policy + (model.baseline - right).square().mean())
    torch.manual_seed(3)
    loss = model.loss(made)
    torch.testing.assert_close(loss, entropy)
    found = gradients(model, loss)
    assert found.keys() == by_hand.keys()
    for name, each in found.items():
        torch.testing.assert_close(each, by_hand[name])
    torch.testing.assert_close(found["baseline"], 2 * (model.baseline - right.mean()))


def test_evaluation_looks_at_the_mean_unless_stochastic() -> None:
    made = batch()
    model = network()
    drawn = [model.look(made.xs).places for _ in range(2)]
    assert not torch.equal(*drawn)
    model.eval()
    looks = [model.look(made.xs) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*looks, strict=True))
    assert torch.equal(looks[0].log_prob, torch.zeros(3, 5))
    for settings in ({"stochastic": True}, {"look": "random"}):
        model = network(**settings).eval()
        drawn = [model.look(made.xs).places for _ in range(2)]
        assert not torch.equal(*drawn)


def test_places_stay_within_reach() -> None:
    xs = batch(200).xs
    for look in ("learned", "random"):
        places = network(std=2.0, look=look).look(xs).places
        assert places.abs().amax() <= 1
        near = network(std=2.0, unit_pixels=2, look=look).look(xs).places
        # two pixels from the middle of 8 are half of the way to the border
        torch.testing.assert_close(
            near.abs().amax((0, 1)), torch.tensor([4 / 8, 4 / 7]), atol=0.02, rtol=0
        )


def test_a_model_that_draws_predicts_the_same_each_time() -> None:
    samples = Samples.of(batch())
    model = network(stochastic=True)
    assert torch.equal(predict(model, samples), predict(model, samples))


def test_a_few_steps_lower_the_loss() -> None:
    images = bundled.digits(ImageSettings(standardise=False)).train[:60]
    torch.manual_seed(0)
    model = VisualAttention((8, 8), 10, SMALL.replace(size=16, sensor=16, joint=16))
    problem = Problem(
        images, images, Classification(tuple("0123456789")), "", loss=VisualAttention.loss
    )
    task = SupervisedTask("attention", model, problem)
    before = task.validate()["loss"]
    Solver(task, TrainSettings(steps=60, lr=0.01, validate_every=60)).fit()
    assert task.validate()["loss"] < 0.8 * before
    assert task.validate() == task.validate()


def test_digits_are_put_whole_at_places_that_the_seed_says() -> None:
    images = bundled.digits(ImageSettings(standardise=False)).held_out[:50]
    field = on_canvas(images, 13, copies=10, seed=5)
    assert torch.equal(field.steps, on_canvas(images, 13, copies=10, seed=5).steps)
    assert not torch.equal(field.steps, on_canvas(images, 13, copies=10, seed=6).steps)
    assert torch.equal(field.targets, images.targets.repeat(10))
    fields, digits = field.steps.view(500, 13, 13), images.steps.view(50, 8, 8).repeat(10, 1, 1)
    assert torch.equal(fields.sum((1, 2)), digits.sum((1, 2)))
    windows = fields.unfold(1, 8, 1).unfold(2, 8, 1)  # [500, 6, 6, 8, 8]
    found = (windows == digits[:, None, None]).all(-1).all(-1)
    assert found.any(2).any(1).all()
    assert found.any(0).all()  # and every place is taken
    same = on_canvas(images, 8, seed=1)
    assert torch.equal(same.steps, images.steps)
    with pytest.raises(ArgumentError, match="canvas: wanted a field for images of 8 x 8, got 7"):
        on_canvas(images, 7)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"patch": 8}, "patch: wanted at most 7, for images of 8 x 7, got 8"),
        ({"unit_pixels": 4.0}, "unit_pixels: wanted at most 3.5"),
        ({"glimpses": 0}, "glimpses: wanted a number of at least 1"),
        ({"depth": 0}, "depth: wanted a number of at least 1"),
        ({"std": 0.0}, "std: wanted a number of at least 0.001"),
        ({"look": "here"}, "look: wanted one of learned, random"),
        ({"cell": "lstmm"}, "Did you mean lstm?"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_bad_settings(settings: dict, said: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        network(**settings)
    assert said in str(caught.value)


@pytest.mark.parametrize("patch", [2, 3], ids=["even", "odd"])
def test_pictures_have_boxes_round_what_was_seen(patch: int) -> None:
    model, made = network(patch=patch, depth=2, std=0.5), batch(20)
    model.settings = SMALL.replace(patch=patch, depth=2)
    shown = Shown.of(model, made)
    border = 2 * patch
    wide = F.pad(shown.images, (border,) * 4)
    for t, row, level in ((0, 0, 0), (1, 7, 0), (2, 19, 0), (0, 3, 1), (2, 11, 1)):
        top, left, side = shown.boxes[t, row, level].tolist()
        assert side == patch * 2**level
        inside = wide[row, border + top :, border + left :][:side, :side]
        averaged = F.avg_pool2d(inside[None], 2**level)[0]
        torch.testing.assert_close(shown.patches[t, row, level], averaged)


@pytest.mark.parametrize("side", [(8, 7), (5, 12)], ids=["high", "wide"])
def test_pictures_are_drawn(side: tuple[int, int], tmp_path: Path) -> None:
    model, images = network(side), Samples.of(batch(12, side))
    before = torch.get_rng_state()
    assert report(images, model, None) == {}
    assert not list(tmp_path.iterdir())
    assert report(images, model, tmp_path) == {}
    for name in ("glimpses.png", "patches.png"):
        assert (tmp_path / name).read_bytes()[:4] == PNG
    assert torch.equal(torch.get_rng_state(), before)


def test_the_problem_of_the_recipe(tmp_path: Path) -> None:
    recipe = RECIPES["attention"]
    problem = recipe.problem(recipe.data.replace(canvas=12, copies=2), None, tmp_path)
    assert problem.summary == "2,874 images and 360 held out, 12 x 12"
    model = recipe.make(problem, recipe.model)
    assert isinstance(model, VisualAttention)
    assert model.side == (12, 12)
    assert model.summary() == "elman 128, 6 looks"
    ink = recipe.problem(recipe.data, None, tmp_path).train.steps
    assert ink.std().item() == pytest.approx(1, abs=1e-3)
    assert ink.min() == 0
