"""Evaluation: every token once, from all before it."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ostinato import unroll
from ostinato.errors import ArgumentError
from ostinato.text import Evaluation, LanguageModel, ModelSettings, evaluate, evaluation

TOKENS = np.random.default_rng(0).integers(0, 9, 1201).astype(np.uint16)


@pytest.fixture
def model() -> LanguageModel:
    return LanguageModel(9, ModelSettings(size=12, embedding=5, dropout=0.5))


def whole(model: LanguageModel, tokens: np.ndarray) -> float:
    """The definition: one pass over everything at once."""
    ids = torch.from_numpy(tokens.astype(np.int64))
    with torch.no_grad():
        scores, _ = unroll(model.eval(), ids[:-1, None])
    return F.cross_entropy(scores[:, 0].double(), ids[1:], reduction="sum").item()


def test_one_pass_is_the_definition(model: LanguageModel) -> None:
    found = evaluate(model, TOKENS, 2400)
    assert found.tokens == 1200
    assert found.nats == pytest.approx(whole(model, TOKENS), rel=1e-6)


@pytest.mark.parametrize("columns", [2, 7, 300])
def test_columns_with_a_long_warm_up_are_one_pass(model: LanguageModel, columns: int) -> None:
    found = evaluate(model, TOKENS, 2400, columns=columns, warm_up=1500)
    assert found.nats == pytest.approx(whole(model, TOKENS), rel=1e-6)


def test_more_columns_than_tokens(model: LanguageModel) -> None:
    found = evaluate(model, TOKENS[:6], 5, columns=9, warm_up=10)
    assert found.nats == pytest.approx(whole(model, TOKENS[:6]), rel=1e-6)


def test_without_a_warm_up_columns_forget(model: LanguageModel) -> None:
    found = evaluate(model, TOKENS, 2400, columns=3)
    parts = [TOKENS[i * 400 : (i + 1) * 400 + 1] for i in range(3)]
    assert found.nats == pytest.approx(sum(whole(model, part) for part in parts), rel=1e-6)


def test_a_large_vocabulary_is_read_in_small_pieces(model: LanguageModel, monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "SCORES", 100)
    found = evaluate(model, TOKENS[:101], 1, columns=2, warm_up=200)
    assert found.nats == pytest.approx(whole(model, TOKENS[:101]), rel=1e-6)


def test_nothing_else_is_touched(model: LanguageModel) -> None:
    model.train()
    before = torch.get_rng_state()
    evaluate(model, TOKENS, 1)
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)


def test_the_three_figures() -> None:
    found = Evaluation(nats=100.0, tokens=50, characters=200)
    assert found.figures() == {
        "loss": 2.0,
        "bpc": pytest.approx(100 / math.log(2) / 200),
        "perplexity": pytest.approx(math.exp(2.0)),
    }
    assert Evaluation(nats=1e6, tokens=1, characters=1).perplexity == math.exp(700)


def test_an_empty_text_is_refused(model: LanguageModel) -> None:
    with pytest.raises(ArgumentError, match="tokens: wanted at least two"):
        evaluate(model, TOKENS[:1], 0)
