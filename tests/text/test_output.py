"""Output layers: exact scores, the loss of each, and a model that carries them."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato import _tree, unroll
from ostinato.errors import ArgumentError
from ostinato.text import LanguageModel, ModelSettings
from ostinato.text.output import Adaptive, Contrastive, Softmax, default_cutoffs

V, D = 40, 16
COUNTS = torch.tensor([0, 3, 1, *range(1, V - 2)])  # the frequent ones come last
H, TARGETS = torch.randn(5, 3, D), torch.randint(3, V, (5, 3))


def outputs() -> dict[str, Softmax | Adaptive | Contrastive]:
    torch.manual_seed(0)
    return {
        "softmax": Softmax(nn.Linear(D, V)),
        "adaptive": Adaptive(D, COUNTS),
        "nce": Contrastive(D, COUNTS, 7),
    }


def small(output: str, **changes: object) -> LanguageModel:
    plain = ModelSettings(size=D, embedding=4, input_dropout=0, dropout=0, output=output)
    return LanguageModel(V, plain.replace(**changes), COUNTS)


@pytest.mark.parametrize("name", ["softmax", "adaptive", "nce"])
def test_scores_are_of_all_tokens(name: str) -> None:
    output = outputs()[name]
    scores = output.scores(H)
    assert scores.shape == (5, 3, V)
    torch.testing.assert_close(scores[2], output.scores(H[2]))
    if name != "softmax":
        torch.testing.assert_close(scores.exp().sum(-1), torch.ones(5, 3))


@pytest.mark.parametrize("name", ["softmax", "adaptive"])
def test_an_exact_loss_is_the_likelihood_of_the_scores(name: str) -> None:
    output = outputs()[name]
    assert output.exact
    wanted = -output.scores(H).log_softmax(-1).gather(-1, TARGETS[..., None]).mean()
    torch.testing.assert_close(output.loss(H, TARGETS), wanted)


def test_the_contrastive_loss_is_of_a_few_scores_and_no_likelihood() -> None:
    output = outputs()["nce"]
    assert not output.exact
    weight = output.module.weight
    output.loss(H, TARGETS).backward()
    touched = (weight.grad != 0).any(-1).sum()
    assert touched <= len(TARGETS.unique()) + 7
    likelihood = F.cross_entropy(output.scores(H).flatten(0, 1), TARGETS.flatten())
    assert abs(output.loss(H, TARGETS) - likelihood) > 0.1
    output.eval()  # where the criterion is exact itself
    torch.testing.assert_close(output.loss(H, TARGETS), likelihood)


def test_frequent_tokens_are_scored_first() -> None:
    output = outputs()["adaptive"]
    assert output.rank[V - 1] == 0  # seen most often
    assert output.rank[0] == V - 1  # never seen
    assert output.module.cutoffs == [4, 20, V]
    # the head alone says the scores of the most frequent
    head = output.module.head(H[0]).log_softmax(-1)
    torch.testing.assert_close(output.scores(H[0])[:, V - 1], head[:, 0])


def test_cutoffs_by_default() -> None:
    assert default_cutoffs(256, 10_000) == [1000, 5000]
    assert default_cutoffs(8, 10_000) == [1000]
    assert default_cutoffs(16, 4) == [1, 2]
    assert Adaptive(D, COUNTS, [3, 10]).module.cutoffs == [3, 10, V]


@pytest.mark.parametrize("output", ["softmax", "adaptive", "nce"])
def test_a_model_with_each_output_is_a_cell(output: str) -> None:
    model, ids = small(output), torch.randint(V, (6, 3))
    scores, state = unroll(model, ids)
    stepped, after = [], model.initial_state(3)
    for x in ids:
        y, after = model(x, after)
        stepped.append(y)
    torch.testing.assert_close(scores, torch.stack(stepped))
    features, _ = unroll(model.features, ids)
    torch.testing.assert_close(model.output.scores(features), scores)
    _, trained = model.loss(ids, ids, model.initial_state(3))
    for leaf, wanted in zip(_tree.leaves(trained), _tree.leaves(state), strict=True):
        torch.testing.assert_close(leaf, wanted)


@pytest.mark.parametrize("output", ["softmax", "adaptive", "nce"])
def test_it_learns_and_the_scores_tell(output: str) -> None:
    model, ids = small(output, nce_samples=10 if output == "nce" else None), torch.arange(3, V)
    ids = ids.repeat(3)[:, None]
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        loss, _ = model.loss(ids[:-1], ids[1:], model.initial_state(1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    scores, _ = unroll(model.eval(), ids[:-1])
    assert F.cross_entropy(scores[:, 0], ids[1:, 0]) < math.log(V) / 1.5


def test_the_default_names_and_draws_are_those_of_a_linear_layer() -> None:
    torch.manual_seed(3)
    model = LanguageModel(V, ModelSettings(size=8, embedding=4))
    assert [name for name, _ in model.named_parameters()] == [
        "cell.layers.0.module.weight",
        *(f"cell.layers.2.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
        "cell.layers.4.module.weight",
        "cell.layers.4.module.bias",
    ]
    torch.manual_seed(3)
    torch.testing.assert_close(model.cell.layers[0].module.weight, nn.Embedding(V, 4).weight)


def within(bound: float, *weights: Tensor) -> bool:
    largest = [weight.detach().abs().max() for weight in weights]
    return all(0.5 * bound < each <= bound for each in largest)


def test_uniform_weights_but_for_the_biases_of_nce() -> None:
    assert within(0.04, *small("softmax", uniform=0.04).parameters())
    model = small("nce", uniform=0.04)
    assert within(0.04, *model.features.parameters())
    assert model.output.module.bias.tolist() == pytest.approx([-math.log(V)] * V)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nce_samples": 5}, "nce_samples: wanted the output nce"),
        ({"cutoffs": "5"}, "cutoffs: wanted the output adaptive"),
        ({"output": "adaptive", "cutoffs": "5,3"}, "cutoffs: wanted growing numbers"),
        ({"output": "adaptive", "cutoffs": "0"}, "cutoffs: wanted growing numbers"),
        ({"output": "adaptive", "cutoffs": "five"}, "cutoffs: wanted growing numbers"),
        ({"output": "nce", "tied": True}, "tied: wanted the output softmax"),
        ({"output": "full"}, "output: wanted one of softmax, adaptive, nce"),
        ({"uniform": -1.0}, "uniform: wanted a number of at least 0"),
    ],
    ids=str,
)
def test_contradictions_are_refused_by_the_settings(changes: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        ModelSettings(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cutoffs": "3,40"}, "cutoffs: wanted numbers below the 40 tokens"),
        ({"cutoffs": "3,10,20"}, "cutoffs: wanted at least 64 features for 3 groups"),
        ({"size": 3}, "cutoffs: wanted at least 4 features for 1 groups"),
    ],
    ids=str,
)
def test_groups_that_do_not_fit_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        small("adaptive", **changes)


@pytest.mark.parametrize("output", ["adaptive", "nce"])
def test_missing_counts_are_asked_for(output: str) -> None:
    with pytest.raises(ArgumentError, match=r"counts: wanted how often .* corpus\.frequencies"):
        LanguageModel(V, ModelSettings(output=output))
