"""Pairs from files and formulas, as ids and back."""

from __future__ import annotations

import datetime
from pathlib import Path

import polars
import pytest
import torch

from ostinato.data.problems import dates, reversed_words
from ostinato.data.problems.dates import FORMS
from ostinato.errors import ArgumentError
from ostinato.seq2seq import (
    BOS,
    EOS,
    EXAMPLES,
    UNKNOWN,
    PairData,
    PairEncoding,
    PairSettings,
    read_pairs,
    read_sources,
    tell_long,
    within_length,
)

WORDS = [("a cat", "eine Katze"), ("the dog, here", "der Hund, hier"), ("", "nichts")]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_pairs_become_ids_and_back() -> None:
    encoding = PairEncoding.fit(WORDS, "word")
    pairs = encoding.pairs(WORDS)
    batch = pairs.take(torch.tensor([1, 2, 0]))
    assert batch.lengths.tolist() == [4, 0, 2]
    assert batch.source.shape == (4, 3)
    assert encoding.source.decode(batch.source[:, 0].tolist()) == ["the", "dog", ",", "here"]
    assert batch.inputs.shape == batch.targets.shape == (5, 3)
    assert (batch.inputs[0] == BOS).all()
    assert encoding.text(batch.inputs[1:, 0].tolist()) == "der Hund , hier"
    assert torch.equal(batch.targets[:4, 0], batch.inputs[1:, 0])
    assert batch.targets[:, 1].tolist() == [batch.inputs[1, 1].item(), EOS, -100, -100, -100]
    assert (batch.targets == EOS).sum(0).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [("char", "eine Katze"), ("space", "der Hund, hier"), ("word", "der Hund , hier")],
)
def test_what_a_token_is(tokens: str, text: str) -> None:
    encoding = PairEncoding.fit(WORDS, tokens)
    ids = {target: encoding.pairs([("", target)]).target.steps.tolist() for _, target in WORDS}
    assert text in {encoding.text(each) for each in ids.values()}


def test_rare_and_new_tokens_are_unknown() -> None:
    encoding = PairEncoding.fit([("a b b", "x y y"), ("b c", "y")], "space", min_frequency=2)
    assert encoding.source.words == ("<bos>", "<eos>", "<unk>", "b")
    pairs = encoding.pairs([("b a z", "x y")])
    assert pairs.source.steps.tolist() == [3, UNKNOWN, UNKNOWN]
    assert pairs.target.steps.tolist() == [UNKNOWN, 3]
    assert encoding.unknown(["b a", "z b a"]) == ["a", "z"]


def test_a_special_token_in_a_text_is_no_special_token() -> None:
    encoding = PairEncoding.fit([("a <eos> b", "x <eos> y"), ("a", "x")], "space")
    pairs = encoding.pairs([("a <eos>", "x <eos> y")])
    assert pairs.target.steps.tolist() == [encoding.target.words.index("x"), UNKNOWN, 4]
    assert EOS not in pairs.source.steps


def test_files_are_read_as_they_stand(tmp_path: Path) -> None:
    """Neither dates nor numbers lose their form."""
    text = "source,target,n\n3 May,1998-05-03,007\n4 May,1998-05-04,01\n"
    path = write(tmp_path / "pairs.csv", text)
    assert read_pairs(path) == [("3 May", "1998-05-03"), ("4 May", "1998-05-04")]
    settings = PairSettings(source="target", target="n")
    assert read_pairs(path, settings) == [("1998-05-03", "007"), ("1998-05-04", "01")]
    tabs = write(tmp_path / "pairs.tsv", text.replace(",", "\t"))
    assert read_pairs(tabs) == read_pairs(path)
    polars.DataFrame({"source": ["a", "b"], "target": [1, 22]}).write_parquet(
        tmp_path / "p.parquet"
    )
    assert read_pairs(tmp_path / "p.parquet") == [("a", "1"), ("b", "22")]
    assert read_sources(path, "source") == ["3 May", "4 May"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sorce,target\na,b\n", "source: wanted a column of .*Did you mean sorce?"),
        ("source,tagret\na,b\n", "target: wanted a column of .*Did you mean tagret?"),
        (
            "source,target\na,b\nc,\n",
            "column target of .*: wanted something .*, got nothing in row 2",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_said(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "pairs.csv", text)
    with pytest.raises(ArgumentError, match=words.replace("?", r"\?")):
        read_pairs(path)


def test_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    polars.DataFrame({"source": [["a"], ["b"]], "target": ["x", "y"]}).write_parquet(path)
    with pytest.raises(ArgumentError, match="wanted texts, got lists"):
        read_pairs(path)


def test_pairs_are_held_out_and_kept(tmp_path: Path) -> None:
    pairs = reversed_words(50, 4)
    data = PairData.split(pairs, PairSettings(held_out=0.2, tokens="word"))
    assert len(data.held_out) == 10
    assert sorted(data.train + data.held_out) == sorted(pairs)
    assert data == PairData.split(pairs, PairSettings(held_out=0.2, tokens="word"))
    assert data != PairData.split(pairs, PairSettings(held_out=0.2, tokens="word"), seed=1)
    data.save(tmp_path / "pairs.json")
    assert PairData.load(tmp_path / "pairs.json") == data
    assert data.summary().startswith("40 pairs and 10 held out, of 43 and 43 different words")
    (tmp_path / "pairs.json").write_text('{"train": [')
    with pytest.raises(ArgumentError, match=r"pairs\.json: wanted the pairs of a run"):
        PairData.load(tmp_path / "pairs.json")
    with pytest.raises(ArgumentError, match="wanted at least two pairs, to hold one out, got 1"):
        PairData.split(pairs[:1], PairSettings())


def test_dates_are_true_and_come_once() -> None:
    pairs = dates(2000)
    assert len({target for _, target in pairs}) == len(pairs)
    assert pairs == dates(2000)
    assert pairs != dates(2000, seed=1)
    days = [datetime.date.fromisoformat(target) for _, target in pairs]
    for (source, target), day in zip(pairs, days, strict=True):
        assert source.lower() in {form(day).lower() for form in FORMS}, target
    assert {day.year // 10 for day in days} == set(range(195, 205))
    written = {form(datetime.date(1998, 5, 3)) for form in FORMS}
    assert len(written) == len(FORMS) == 13
    wanted = {"Sunday, 3 May 1998", "the 3rd of May 1998", "3-May-98", "3.5.1998", "05/03/98"}
    assert wanted <= written
    assert {form(datetime.date(2011, 10, 11)) for form in FORMS} >= {"October 11th, 2011"}
    with pytest.raises(ArgumentError, match="num_pairs: wanted at most the 36525 days"):
        dates(36526)


def test_no_date_is_ambiguous() -> None:
    """The same words never mean two days."""
    meant: dict[str, set[str]] = {}
    for source, target in dates(36525):
        meant.setdefault(source.lower(), set()).add(target)
    assert all(len(targets) == 1 for targets in meant.values())


def test_words_backwards() -> None:
    pairs = reversed_words(300, 5, seed=2)
    assert len(dict(pairs)) == 300
    assert all(target == source[::-1] and 1 <= len(source) <= 5 for source, target in pairs)
    assert {len(source) for source, _ in pairs} == set(range(1, 6))
    with pytest.raises(ArgumentError, match="num_pairs: wanted at most half of the 26 words"):
        reversed_words(14, 1)


def test_the_two_pairs_are_those_of_the_old_example() -> None:
    data = EXAMPLES["pairs"].make(PairSettings())
    assert data.train == data.held_out == [("1 2 3", "1 2 3 4"), ("4 3 2 1", "5 4 3 2 1")]
    assert len(data.encoding().target) == 3 + 5


LONG = [("ab", "ba")] * 20 + [("a" * 12_000, "b"), ("b", "a b " * 300), ("a" * 500, "b")]


def test_long_pairs_are_left_out_and_named(tmp_path: Path) -> None:
    settings = PairSettings()
    data = PairData.split(LONG, settings)
    assert data.left_out == [21, 22]
    assert len(data.train) + len(data.held_out) == 21
    assert "2 pairs of more than 500 tokens are left out (rows 21, 22)" in tell_long(
        data.left_out, settings
    )
    data.save(tmp_path / "pairs.json")
    assert PairData.load(tmp_path / "pairs.json") == data


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        ({"max_length": 12_000}, []),
        ({"max_length": 499}, [21, 22, 23]),
        ({"tokens": "space"}, [22]),
        ({"tokens": "space", "max_length": 600}, []),
        ({"max_length": 1}, list(range(1, 24))),
    ],
)
def test_length_is_counted_in_tokens(settings: dict, rows: list[int]) -> None:
    kept, left_out = within_length(LONG, PairSettings(**settings))
    assert left_out == rows
    assert len(kept) == 23 - len(rows)


def test_a_file_of_long_pairs_alone_says_so() -> None:
    with pytest.raises(ArgumentError, match=r"hold one out, got 0\. 3 pairs of more than 9 tokens"):
        PairData.split([("a" * 10, "b")] * 3, PairSettings(max_length=9))
