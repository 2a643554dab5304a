"""The task of text: what one batch costs, and what is measured."""

import math

import pytest
import torch
import torch.nn.functional as F

from ostinato import _tree, unroll
from ostinato.data import ColumnSettings
from ostinato.text import Corpus, LanguageModel, ModelSettings, Parts, TextTask, text
from ostinato.text.task import usual_opening
from ostinato.text.tokenizer import BOS


@pytest.fixture
def task(model: LanguageModel, corpus: Corpus) -> TextTask:
    return TextTask(model, corpus, ColumnSettings(batch_size=4, bptt=10))


def test_the_loss_is_the_mean_of_all_tokens(task: TextTask) -> None:
    (inputs, targets) = batch = next(task.batches(0, 0))
    loss, _ = task.loss(batch, task.initial_state())
    scores, _ = unroll(task.model, inputs)
    wanted = -F.log_softmax(scores, -1).gather(-1, targets[..., None]).mean()
    torch.testing.assert_close(loss, wanted)


def test_the_state_is_carried_by_value(task: TextTask) -> None:
    batches = task.batches(0, 0)
    first, second = next(batches), next(batches)
    _, state = task.loss(first, task.initial_state())
    assert not any(leaf.requires_grad for leaf in _tree.leaves(state))
    loss, _ = task.loss(second, state)
    ids = torch.cat([first[0], second[0]])
    scores, _ = unroll(task.model, ids)
    wanted = F.cross_entropy(scores[10:].flatten(0, 1), second[1].flatten())
    torch.testing.assert_close(loss, wanted)


def test_an_epoch_begins_with_bos_and_only_there(task: TextTask) -> None:
    first, *others = task.batches(3, 0)
    assert (first[0][0] == BOS).all()
    assert not any((inputs == BOS).any() for inputs, _ in others)
    assert not any((inputs == BOS).any() for inputs, _ in task.batches(3, 1))


def test_quick_figures_are_near_the_full_ones(task: TextTask) -> None:
    quick, full = task.validate(), task.evaluate().figures()
    assert quick == pytest.approx(full, rel=1e-3)
    assert task.evaluate().characters == task.corpus.counts.held_out_characters


def test_a_training_loss_in_bits(task: TextTask) -> None:
    assert task.figures(math.log(2))["bpc"] == pytest.approx(1.0, rel=0.01)


def test_a_contrastive_loss_is_in_no_units_of_text(corpus: Corpus) -> None:
    settings = ModelSettings(size=16, embedding=8, output="nce")
    model = LanguageModel(corpus.tokenizer.size, settings, corpus.frequencies)
    task = TextTask(model, corpus, ColumnSettings(batch_size=4, bptt=10))
    assert task.figures(1.0) == {}
    # held-out figures are by the softmax of all scores, close to that of no knowledge at all
    assert task.validate()["perplexity"] == pytest.approx(corpus.tokenizer.size, rel=0.3)


def test_the_test_is_measured_as_the_held_out_text(model: LanguageModel) -> None:
    lines = "the cat sat on the mat.\nthe dog sat on the log.\n"
    other = Corpus.build(Parts([text(lines * 9)], [text(lines)], [text(lines)]))
    model = LanguageModel(other.tokenizer.size, model.settings)
    task = TextTask(model, other, ColumnSettings(batch_size=4, bptt=10))
    assert task.evaluate("test").figures() == task.evaluate().figures()


def test_a_sample_is_the_same_for_the_same_step(task: TextTask) -> None:
    assert task.sample(3) == task.sample(3) != task.sample(4)


def test_a_sample_begins_as_sentences_do() -> None:
    assert usual_opening("A cat. The dog! The end? It is. the. the. the.\n") == "The "
    assert usual_opening("Der Hund. Die Katze. Ärger. Ärger. 4 x. 4 x. 4 x") == "Ärger "
    assert usual_opening("1 2 3\nno sentences") is None
