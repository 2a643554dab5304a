"""Rows of the checklist about language models: each does what "done looks like" says of it."""

import csv
import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from ostinato import load, unroll
from ostinato.text import SampleSettings, sample, what_next
from ostinato.text.tokenizer import BOS, UNKNOWN
from ostinato.train import Run

LINES = ["the cat sat on the mat .", "the dog sat on the log .", "a <unk> is N years old ."]
SMALL = "--size 16 --embedding 8 --batch-size 4 --bptt 10 --sample-every 0 --dropout 0"


@pytest.fixture(autouse=True)
def texts(tmp_path: Path) -> None:
    """Texts in the folder of the program."""
    (tmp_path / "verse.txt").write_text("\n".join(LINES * 20) + "\n")
    (tmp_path / "ptb").mkdir()
    for part, times in (("train", 40), ("valid", 3), ("test", 3)):
        lines = LINES[: len(LINES) if part == "train" else 2] * times
        content = "".join(f" {line} \n" for line in lines)
        (tmp_path / "ptb" / f"ptb.{part}.txt").write_text(content)


def mean_loss(path: Path, tokens: list[int]) -> float:
    """The mean negative log-likelihood of tokens[1:] by a plain loop, in nats."""
    model = load(path).model
    state, total = model.initial_state(1), 0.0
    with torch.no_grad():
        for token, after in pairwise(tokens):
            scores, state = model(torch.tensor([token]), state)
            total += F.cross_entropy(scores, torch.tensor([after])).item()
    return total / (len(tokens) - 1)


@pytest.mark.parametrize("level", ["char", "word"])
def test_row_98_perplexity_is_the_exponential_of_the_mean(call, level: str) -> None:
    call(f"train text verse.txt --level {level} --epochs 9 --run run {SMALL}")
    result, run = Run(Path("run")).read_result(), Path("run")
    corpus = load(run).task.corpus
    wanted = mean_loss(run, corpus.held_out.tolist())
    assert result is not None
    assert result["loss"] == pytest.approx(wanted, rel=1e-5)
    assert result["perplexity"] == pytest.approx(math.exp(wanted), rel=1e-4)
    bits = wanted * result["tokens"] / math.log(2) / result["characters"]
    assert result["bpc"] == pytest.approx(bits, rel=1e-5)
    assert result["perplexity"] < corpus.tokenizer.size / 2  # it has learned


def test_row_98_the_published_recipe_on_the_files_of_the_treebank(call) -> None:
    said = call(
        "train text ptb --run run --layers 2 --size 16 --embedding 16 --uniform 0.1 --dropout 0 "
        "--input-dropout 0 --batch-size 4 --bptt 20 --no-shift --optimiser sgd --lr 20 --clip 0.25 "
        "--schedule exponential --lr-decay 0.5 --decay-after 4 --epochs 7 --sample-every 0"
    )
    # the rate is halved at each epoch from the fifth on
    records = Run(Path("run")).metrics()
    epochs = {math.ceil(record["epoch"]): record["lr"] for record in records}
    assert list(epochs.values()) == [20, 20, 20, 20, 10, 5, 2.5]
    # words with an <eos> a line; the vocabulary is that of the training part, and <bos>
    corpus = load("run").task.corpus
    words = {word for line in LINES for word in line.split()}
    assert corpus.tokenizer.size == len(words | {"<eos>"}) + 1
    assert len(corpus.train) - 1 == 40 * sum(len(line.split()) + 1 for line in LINES)
    # trained on one part, its weights chosen by the second, and measured on the third
    result = Run(Path("run")).read_result()
    assert result is not None
    wanted = math.exp(mean_loss(Path("run"), corpus.test.tolist()))
    assert result["test_perplexity"] == pytest.approx(wanted, rel=1e-4)
    assert f"perplexity {result['test_perplexity']:.3f}" in said
    assert result["test_tokens"] == 3 * 16


def test_row_99_noise_contrastive_loss_and_true_perplexity_fall(call) -> None:
    said = call(
        f"train text ptb --output nce --nce-samples 10 --epochs 12 --validate-every 20 --run run "
        f"{SMALL}"
    )
    assert "trained against 10 noise tokens (its loss is no likelihood)" in said
    records = Run(Path("run")).metrics()
    losses = [record["loss"] for record in records]
    assert sum(losses[-20:]) < 0.7 * sum(losses[:20])
    assert not any({"bpc", "perplexity"} & set(record) for record in records)
    assert all(record["tokens_per_second"] > 0 for record in records)  # words a second
    assert "tokens/s" in said
    # by the softmax over all words, as that of any model
    found = [r["held_out_perplexity"] for r in records if "held_out_perplexity" in r]
    assert found[-1] < 0.5 * found[0]
    result, corpus = Run(Path("run")).read_result(), load("run").task.corpus
    assert result is not None
    wanted = mean_loss(Path("run"), corpus.held_out.tolist())
    assert result["perplexity"] == pytest.approx(math.exp(wanted), rel=1e-4)


def test_row_100_temperature_0_is_greedy_and_the_prompt_warms_the_state(call) -> None:
    call(f"train text ptb --epochs 3 --run run {SMALL}")
    task = load("run").task
    model, corpus = task.model, task.corpus
    tokenizer = corpus.tokenizer
    # what_next of the PyTorch post: the prompt goes in, then the likeliest each time
    ids = [tokenizer.opening, *tokenizer.encode("the dog sat").tolist()]
    words = []
    for _ in range(8):
        scores, _ = unroll(model, torch.tensor(ids)[:, None])
        scores[-1, 0, [BOS, UNKNOWN]] = -torch.inf
        ids.append(int(scores[-1, 0].argmax()))
        words.append(tokenizer.name(ids[-1]))
    wanted = tokenizer.decode(ids[1:])
    for temperature in (0, 1e-4):
        settings = SampleSettings(temperature=temperature, length=8)
        assert sample(model, tokenizer, "the dog sat", settings) == wanted
    greedy = ("--temperature", 0, "--length", 8, "--prompt", "the dog sat")
    assert call("sample run", *greedy) == f"{wanted}\n"
    # another prompt leaves another state
    assert what_next(model, tokenizer, "the dog sat") != what_next(model, tokenizer, "the N")
    shown = call("sample run --next 5", "--prompt", "the dog sat").splitlines()
    assert len(shown) == 6
    assert shown[1].split()[0] == repr(words[0])
    assert float(shown[1].split()[1]) == pytest.approx(
        what_next(model, tokenizer, "the dog sat")[0][1], rel=1e-4
    )


def test_row_100_sentences_restart_from_an_empty_state(call) -> None:
    call(f"train text ptb --epochs 12 --run run {SMALL}")
    draw = ("--temperature", 0, "--length", 12)
    one, other = "the cat sat on the mat .", "the dog sat on the log ."
    sentence = call("sample run --documents 1", *draw).strip()
    assert sentence in (one, other)
    # after each <eos> all is forgotten, so greedy says the same again
    assert call("sample run --documents 3", *draw).splitlines() == [sentence] * 3
    # in one text the state goes on over the end of a line
    going_on = call("sample run", *draw).splitlines()
    assert going_on[0] == sentence
    assert len(going_on) > 1


def test_row_101_three_layers_learn_and_write(call) -> None:
    said = call(f"train text verse.txt --level word --layers 3 --epochs 20 --run run {SMALL}")
    assert "lstm 3 x 16" in said
    records = Run(Path("run")).metrics()
    assert records[-1]["loss"] < 0.5 * records[0]["loss"]
    written = call("sample run --prompt", "the cat", "--length", 30, "--seed", 0)
    assert written.startswith("the cat")
    assert len(set(written.split())) > 5


@pytest.mark.parametrize("output", ["softmax", "nce"])
def test_row_105_a_language_model_is_evaluated_sampled_and_its_curves_written(
    call, output: str
) -> None:
    call(f"train text ptb --output {output} --epochs 2 --validate-every 10 --run run {SMALL}")
    found = json.loads(call("evaluate run --json --curves curves.csv"))
    corpus = load("run").task.corpus
    wanted = math.exp(mean_loss(Path("run"), corpus.test.tolist()))
    assert found["test_perplexity"] == pytest.approx(wanted, rel=1e-4)
    alone = json.loads(call("evaluate run ptb/ptb.test.txt --json"))
    assert alone["perplexity"] == pytest.approx(wanted, rel=0.05)  # from an empty state
    assert alone["tokens"] == found["test_tokens"]
    with open("curves.csv") as file:
        rows = list(csv.DictReader(file))
    assert {"epoch", "loss", "held_out_loss", "held_out_perplexity"} <= set(rows[0])
    assert len(rows) == len(Run(Path("run")).metrics())
    assert len(call("sample run --length 20 --seed 1").split()) > 5
