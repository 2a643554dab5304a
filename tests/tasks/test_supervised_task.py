"""The task that a solver trains: predictions, samples, and what it concludes."""

import torch
from torch import nn

from ostinato.data import Batch, BatchSettings, Encoding, Samples, Vocabulary
from ostinato.data.problems import adding, inverse_direct, inverse_variable
from ostinato.tasks import (
    Classification,
    Problem,
    Regression,
    SequenceModel,
    SupervisedModelSettings,
    SupervisedTask,
    predict,
)
from ostinato.tasks.supervised import _no_better, tell_confusion
from ostinato.train import Solver, TrainSettings

SMALL = SupervisedModelSettings(cell="gru", size=4, dropout=0.5)


def adding_task() -> SupervisedTask:
    samples = Samples.of(adding(60, 6))
    problem = Problem(samples[:40], samples[40:], Regression(), "adding")
    torch.manual_seed(0)
    return SupervisedTask(
        "adding", SequenceModel(2, 1, SMALL), problem, BatchSettings(batch_size=9)
    )


def test_predictions_come_in_the_order_of_the_samples() -> None:
    torch.manual_seed(0)
    for batch in (inverse_variable(1100), inverse_direct(1100)):
        samples = Samples.of(batch)
        model = SequenceModel(1, 1, SMALL, per_step=samples.per_step).eval()
        found = predict(model, samples)
        assert found.shape == samples.targets.shape
        with torch.no_grad():
            one = samples[torch.tensor([1050])]
            ys = model(one.take(torch.tensor([0])).xs)
        place = samples.starts[1050] if samples.per_step else 1050
        torch.testing.assert_close(found[place], ys.reshape(-1, 1)[0])


def test_a_look_leaves_the_training_as_it_was() -> None:
    task = adding_task()
    before = torch.get_rng_state()
    task.model.train()
    task.validate()
    text = task.sample(3)
    assert task.model.training
    assert torch.equal(torch.get_rng_state(), before)
    assert text == task.sample(4)
    assert len(text.splitlines()) == 8
    assert text.splitlines()[0].startswith("truth ")


def test_a_solver_trains_it() -> None:
    task = adding_task()
    assert len(task) == 5
    assert task.batch_units == 9
    solver = Solver(task, TrainSettings(steps=30, lr=0.01, validate_every=10))
    before = task.validate()["loss"]
    solver.fit()
    assert task.validate()["loss"] < before
    found = task.conclude()
    assert found.figures["loss"] == task.validate()["loss"]
    assert found.figures["baseline_loss"] == task.baseline()["loss"]
    assert "who always says the same: mean squared error" in str(found)


def test_any_module_may_stand_for_the_model() -> None:
    class Flat(nn.Module):
        """Reads the steps of a row side by side, as a network without memory does."""

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 1))

        def forward(self, xs, lengths=None):
            return self.layers(xs.transpose(0, 1).flatten(1))

    problem = adding_task().problem
    task = SupervisedTask("adding", Flat(), problem)
    Solver(task, TrainSettings(steps=2)).fit()
    assert task.outputs().shape == (20, 1)


def test_words_are_shown_beside_their_labels() -> None:
    vocabulary = Vocabulary(["<pad>", "<unk>", "good", "bad"])
    encoding = Encoding(vocabulary, None, ("minus", "plus"))
    samples = Samples.of(Batch(torch.tensor([[2, 3], [2, 3]]), torch.tensor([1, 0])))
    problem = Problem(
        samples, samples, Classification(encoding.labels), "", tokens=4, encoding=encoding
    )
    task = SupervisedTask("classify", SequenceModel(4, 2, SMALL, tokens=4), problem)
    first, second = task.sample(0).splitlines()
    assert first.startswith("truth  plus")
    assert first.endswith("good good")
    assert second.endswith("bad bad")
    found = task.conclude()
    assert torch.tensor(found.figures["confusion"]).sum() == 2
    assert "true, said" in str(found)


def test_a_large_confusion_matrix_is_its_worst_pairs() -> None:
    labels = tuple(map(str, range(30)))
    matrix = torch.diag(torch.arange(30))
    matrix[3, 7] = 5
    assert tell_confusion(matrix, labels) == "most frequent mistakes:\n5 x 3, said 7"


def test_in_which_figures_a_model_is_no_better_than_who_always_says_the_same() -> None:
    same = "the model is no better than that"
    assert _no_better({"loss": 1.0}, {"loss": 1.1}) == ""
    assert _no_better({"loss": 1.0}, {"loss": 1.0}) == f"\n{same}"
    assert _no_better({"loss": float("nan")}, {"loss": 1.0}) == f"\n{same}"
    easy = {"loss": 1.0, "accuracy": 0.6}
    assert _no_better({"loss": 0.9, "accuracy": 0.7}, easy) == ""
    assert _no_better({"loss": 1.9, "accuracy": 0.7}, easy) == f"\nby cross-entropy {same}"
    assert _no_better({"loss": 0.9, "accuracy": 0.6}, easy) == f"\nby accuracy {same}"
    assert _no_better({"loss": 1.0, "accuracy": 0.5}, easy) == f"\n{same}"
