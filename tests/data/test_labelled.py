"""Labelled sequences as samples, encoded by what is learned from."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ostinato.data import Encoding, Labelled, LabelledSettings, Scale, read_labelled, read_sequences
from ostinato.errors import ArgumentError


def write(folder: Path, text: str, name: str = "a.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_classification(tmp_path: Path) -> None:
    rows = "".join(f"word{number} a,{'up' if number % 2 else 'down'}\n" for number in range(50))
    path = write(tmp_path, "text,label\n" + rows)
    made = read_labelled(path, seed=3)
    assert made.summary() == "40 sequences and 10 held out, a vocabulary of 43, 2 labels"
    vocabulary, labels = made.encoding.vocabulary, made.encoding.labels
    assert vocabulary is not None
    assert labels == ("down", "up")
    for number, (samples, unknown) in enumerate(((made.train, 0), (made.held_out, 10))):
        batch = samples.take(torch.arange(len(samples)))
        assert int((batch.xs == 1).sum()) == unknown, number
        for ids, target in zip(batch.xs.T, batch.targets, strict=True):
            word, a = vocabulary.decode(ids)
            assert a == "a"
            if word != "<unk>":
                assert labels[target] == ("up" if int(word[4:]) % 2 else "down")
    again = read_labelled(path, seed=3)
    assert torch.equal(again.train.steps, made.train.steps)
    assert not torch.equal(read_labelled(path, seed=4).train.targets, made.train.targets)


def test_rare_words_are_unknown(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\n" + "a a rare,x\nb b,y\n" * 3)
    made = read_labelled(path, LabelledSettings(min_frequency=4))
    assert made.encoding.vocabulary is not None
    assert "rare" not in made.encoding.vocabulary.words


def test_a_tagging(tmp_path: Path) -> None:
    path = write(tmp_path, "text,label\n" + "the cat sat,D N V\nsit,V\n" * 10)
    made = read_labelled(path, LabelledSettings(tokens="space"), per_step=True)
    batch = made.train.take(torch.arange(len(made.train)))
    assert batch.per_step
    assert batch.targets.shape == batch.xs.shape
    vocabulary = made.encoding.vocabulary
    assert vocabulary is not None
    found = zip(vocabulary.decode(batch.xs[batch.mask]), batch.targets[batch.mask], strict=True)
    tags = {"the": "D", "cat": "N", "sat": "V", "sit": "V"}
    assert all(made.encoding.labels[tag] == tags[word] for word, tag in found)


def test_numbers_are_scaled_by_what_is_learned_from(tmp_path: Path) -> None:
    rows = [{"text": [[n, -n], [n, 3]], "label": n % 3} for n in range(30)]
    path = write(tmp_path, "".join(json.dumps(row) + "\n" for row in rows), "a.jsonl")
    made = read_labelled(path)
    assert made.train.steps.dtype == torch.float32
    assert made.train.steps.mean(0).abs().max() < 1e-6
    assert made.held_out.steps.mean(0).abs().max() > 1e-3
    assert made.summary() == "24 sequences and 6 held out, steps of numbers, 3 labels"
    assert made.encoding.labels == ("0", "1", "2")


@pytest.mark.parametrize("numbers", [False, True])
def test_a_new_file_by_the_same_encoding(tmp_path: Path, numbers: bool) -> None:
    step = [1.0, 2.0] if numbers else ["a", "b"]
    rows = [{"text": step, "label": "x"}, {"text": step[:1], "label": "y"}] * 5
    text = "".join(json.dumps(row) + "\n" for row in rows)
    encoding = read_labelled(write(tmp_path, text, "a.jsonl")).encoding
    kept = Encoding.from_dict(json.loads(json.dumps(encoding.as_dict())))
    path = write(tmp_path, json.dumps({"text": step[1:]}) + "\n", "new.jsonl")
    samples = kept.samples(read_sequences(path, labelled=False))
    assert torch.equal(samples.steps, encoding.samples(read_sequences(path, labelled=False)).steps)
    # the loss leaves them out
    assert F.cross_entropy(torch.zeros(1, 2), samples.targets, reduction="sum") == 0


def test_what_the_encoding_does_not_know(tmp_path: Path) -> None:
    encoding = read_labelled(write(tmp_path, "text,label\n" + "a,good\nb,bad\n" * 4)).encoding
    with pytest.raises(ArgumentError, match=r"label: wanted one of bad, good, got 'goods'\. Did "):
        encoding.samples(read_sequences(write(tmp_path, "text,label\na,goods\n")))
    path = write(tmp_path, '{"text": [1, 2]}\n', "a.jsonl")
    with pytest.raises(ArgumentError, match="sequences: wanted words, got numbers"):
        encoding.samples(read_sequences(path, labelled=False))
    one = Encoding(None, Scale(np.zeros(3), np.ones(3)), ())
    with pytest.raises(ArgumentError, match="sequences: wanted steps of 3 numbers, got steps of 1"):
        one.samples(read_sequences(path, labelled=False))
    words = read_sequences(tmp_path / "a.csv", labelled=False)
    numbers = Encoding(None, None, ())
    with pytest.raises(ArgumentError, match="sequences: wanted numbers, got words"):
        numbers.samples(words)
    assert np.array_equal(words.lengths, [1])


def labelled(tmp_path: Path, rows: list[tuple[str, str]], **settings) -> Labelled:
    path = tmp_path / "table.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    return read_labelled(path, LabelledSettings(**settings))


def test_a_rare_label_is_held_out_too(tmp_path: Path) -> None:
    rows = [(f"w{i} x", "rare" if i % 50 == 0 else "common") for i in range(200)]
    data = labelled(tmp_path, rows)
    place = data.encoding.labels.index("rare")
    assert (data.held_out.targets == place).sum() == 1
    assert (data.train.targets == place).sum() == 3
    assert data.remarks() == []
    plain = labelled(tmp_path, rows, stratified=False)
    assert len(plain.held_out) == len(data.held_out) == 40


REMARKS = {
    "all labels are 'good': there is nothing to tell apart, and accuracy says nothing": [
        (f"a{i} b", "good") for i in range(20)
    ],
    "20 different numbers, and each is learned as a name of its own": [
        (f"a{i} b", f"{i % 20}.5") for i in range(400)
    ],
    "40 different numbers, and each is learned as a name of its own": [
        (f"a{i} b", f"{i % 40}") for i in range(80)
    ],
    "10 of the 10 held-out sequences are learned from too": [
        ("good day" if i % 2 else "bad day", "yes" if i % 2 else "no") for i in range(50)
    ],
    "the label 'odd' has one sequence alone": [(f"a{i} b", "even") for i in range(20)]
    + [("b a", "odd")],
    "the labels '0', '1', '2', '3', '4' and 15 more have one sequence alone": [
        (f"a{i} b", str(i)) for i in range(20)
    ],
}


@pytest.mark.parametrize("wanted", REMARKS)
def test_what_makes_figures_doubtful_is_said(wanted: str, tmp_path: Path) -> None:
    assert any(wanted in said for said in labelled(tmp_path, REMARKS[wanted]).remarks())


@pytest.mark.parametrize(
    "rows",
    [
        [(f"a{i} b", str(i % 10)) for i in range(300)],  # digits are classes
        [(f"a{i} b", f"{1 + i % 9 / 2}") for i in range(300)],  # marks from 1.0 to 5.0
        [(f"a{i} b", f"{i % 12:05d}") for i in range(300)],  # and so are numbers of places
        [(f"a{i} b", "yes" if i % 2 else "no") for i in range(50)],
    ],
)
def test_usual_labels_are_not_doubted(rows: list[tuple[str, str]], tmp_path: Path) -> None:
    assert labelled(tmp_path, rows).remarks() == []


def test_words_that_are_unknown_make_no_two_rows_alike(tmp_path: Path) -> None:
    rows = [(f"so w{i} it is", "yes" if i % 2 else "no") for i in range(50)]
    assert labelled(tmp_path, rows, min_frequency=2).remarks() == []


def test_one_sequence_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="at least two sequences, to hold one out, got 1"):
        labelled(tmp_path, [("a b", "x")])


def test_a_long_text_is_cut_and_named(tmp_path: Path) -> None:
    rows = [(" ".join(["w"] * (9000 if i == 7 else 3)), "ab"[i % 2]) for i in range(20)]
    data = labelled(tmp_path, rows, max_length=50)
    assert max(data.train.lengths.max(), data.held_out.lengths.max()) == 50
    (said,) = (each for each in data.remarks() if "steps" in each)
    assert said.startswith("1 of the sequences (number 8) have more than 50 steps")
