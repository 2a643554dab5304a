"""The bidirectional model: no token sees itself; windows are measured, each token once."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ostinato.data import ColumnSettings
from ostinato.errors import ArgumentError
from ostinato.text import (
    BidirectionalModel,
    BidirectionalTask,
    Corpus,
    LanguageModel,
    ModelSettings,
    evaluate_both_ways,
    evaluation,
)

V = 9
SETTINGS = ModelSettings(size=6, embedding=4, input_dropout=0, dropout=0, direction="both")
TOKENS = np.random.default_rng(0).integers(0, V, 203).astype(np.uint16)


@pytest.mark.parametrize(
    "changes",
    [{}, {"layers": 2, "residual": True}, {"tied": True}, {"embedding": 0, "cell": "gru"}],
    ids=str,
)
def test_no_token_sees_itself_and_all_see_the_others(changes: dict) -> None:
    model = BidirectionalModel(V, SETTINGS.replace(**changes))
    table = torch.eye(V) if changes.get("embedding") == 0 else model.embedding.weight.detach()
    xs = table[torch.randint(V, (5, 1))].requires_grad_()
    scores = model.layers(xs)
    for t in range(5):
        (seen,) = torch.autograd.grad(scores[t].sum(), xs, retain_graph=True)
        assert [bool(step.any()) for step in seen] == [s != t for s in range(5)]


@pytest.mark.parametrize("output", ["softmax", "adaptive", "nce"])
def test_it_learns_with_every_output(output: str) -> None:
    counts = torch.from_numpy(np.bincount(TOKENS, minlength=V))
    model = BidirectionalModel(V, SETTINGS.replace(output=output, dropout=0.2), counts)
    model.loss(torch.randint(V, (7, 3))).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def definition(model: BidirectionalModel, window: int) -> float:
    """Each token with a window of its own: the one in whose middle half it stands."""
    margin = window // 4
    stride = window - 2 * margin
    total = 0.0
    for place in range(1, len(TOKENS)):
        first = 1 + (place - 1) // stride * stride - margin
        start = max(0, first)
        ids = torch.from_numpy(TOKENS[start : first + window].astype(np.int64))
        scores = model(ids[:, None])[place - start, 0]
        total += F.cross_entropy(scores, ids[place - start]).item()
    return total


@pytest.mark.parametrize("window", [2, 5, 10, 500])
def test_every_token_counts_once_in_the_middle_of_a_window(window: int, monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "SCORES", 40 * V)  # a few windows at a time
    model = BidirectionalModel(V, SETTINGS).eval()
    found = evaluate_both_ways(model, TOKENS, 400, window=window)
    with torch.no_grad():
        assert found.nats == pytest.approx(definition(model, window), rel=1e-5)
    assert (found.tokens, found.characters) == (202, 400)


def test_the_figure_is_a_pseudo_perplexity_and_no_rate() -> None:
    found = evaluate_both_ways(BidirectionalModel(V, SETTINGS), TOKENS, 400, window=10)
    assert found.figures() == {
        "loss": found.nats / 202,
        "pseudo_perplexity": pytest.approx(math.exp(found.nats / 202)),
    }
    assert "not comparable with perplexities" in str(found)


def test_a_text_of_one_token_is_refused() -> None:
    with pytest.raises(ArgumentError, match="tokens: wanted at least two"):
        evaluate_both_ways(BidirectionalModel(V, SETTINGS), TOKENS[:1], 0, window=10)


def task(corpus: Corpus, **columns: int) -> BidirectionalTask:
    model = BidirectionalModel(corpus.tokenizer.size, SETTINGS)
    return BidirectionalTask(model, corpus, ColumnSettings(batch_size=4, **columns))


def test_windows_are_pieces_of_the_text_and_their_own_targets(corpus: Corpus) -> None:
    made = task(corpus, bptt=10)
    batch = next(made.batches(0, 0))
    assert batch.shape == (10, 4)
    loss, state = made.loss(batch, made.initial_state())
    scores = made.model(batch)
    torch.testing.assert_close(loss, F.cross_entropy(scores.flatten(0, 1), batch.flatten()))
    assert state == ()
    assert made.figures(loss.item()) == {"pseudo_perplexity": pytest.approx(math.exp(loss.item()))}


def test_the_passage_stands_above_what_the_model_says(corpus: Corpus) -> None:
    made, before = task(corpus, bptt=10), torch.get_rng_state()
    shown = made.sample(0)
    assert torch.equal(torch.get_rng_state(), before)
    truth, told = shown.removeprefix("held out:\n").split("\n\ntold:\n")
    assert truth == corpus.tokenizer.decode(corpus.held_out[1:151])
    assert told


def test_windows_of_one_token_and_cells_of_both_directions_are_refused(corpus: Corpus) -> None:
    with pytest.raises(ArgumentError, match="bptt: wanted windows of at least 2 tokens"):
        task(corpus, bptt=1)
    with pytest.raises(ArgumentError, match=r"direction: wanted forward.*BidirectionalModel"):
        LanguageModel(V, SETTINGS)
