"""Files with a sentence a line, as the One Billion Words are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.data import ColumnSettings, Sentences, SequenceColumns, Vocabulary
from ostinato.errors import ArgumentError


def build(tmp_path: Path, *contents: str, **options) -> Sentences:
    paths = [tmp_path / f"news.en-0000{number}-of-00100" for number in range(1, len(contents) + 1)]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content, encoding="utf-8")
    return Sentences.build(paths, tmp_path, **options)


def words(made: Sentences) -> str:
    return " ".join(made.vocabulary.decode(made.tokens))


def test_each_line_is_a_sentence(tmp_path: Path) -> None:
    made = build(tmp_path, "the cat sat\nthe  dog\n\n", "the cat", min_frequency=2)
    assert words(made) == "<s> the cat <unk> </s> <s> the <unk> </s> <s> the cat </s>"
    assert made.vocabulary.words == ("<s>", "</s>", "<unk>", "the", "cat")
    assert made.starts.tolist() == [0, 5, 9]
    assert made.frequencies.tolist() == [3, 3, 2, 3, 2]
    assert isinstance(made.tokens, np.memmap)
    assert made.summary() == "3 sentences of 2.3 words in the mean, a vocabulary of 5"


def test_the_same_again_from_the_folder(tmp_path: Path) -> None:
    made = build(tmp_path, "a b a\nb a\n" * 3000)
    assert len(made.starts) == 6000
    again = Sentences(tmp_path)
    assert np.array_equal(made.tokens, again.tokens)
    assert made.vocabulary.words == again.vocabulary.words


def test_held_out_files_by_the_same_vocabulary(tmp_path: Path) -> None:
    vocabulary = build(tmp_path, "a b a b a b").vocabulary
    assert words(build(tmp_path, "a c\n", vocabulary=vocabulary)) == "<s> a <unk> </s>"


def test_they_become_columns(tmp_path: Path) -> None:
    made = build(tmp_path, "a b\nb a b\n", vocabulary=Vocabulary(["<s>", "</s>", "a", "b"]))
    (piece,) = SequenceColumns(made.tokens, made.starts, ColumnSettings(1, 20, False)).batches(0)
    xs, targets = piece.xs[piece.mask], piece.targets[piece.mask]
    assert made.vocabulary.decode(xs) == ["<s>", "a", "b", "<s>", "b", "a", "b"]
    assert made.vocabulary.decode(targets) == ["a", "b", "</s>", "b", "a", "b", "</s>"]
    assert torch.equal(piece.resets[piece.mask], xs == 0)


def test_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "news.txt").touch()
    with pytest.raises(ArgumentError, match=r"Did you mean .*news\.txt"):
        Sentences.build([tmp_path / "new.txt"], tmp_path)


def test_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("grün\n".encode("latin-1"))
    with pytest.raises(ArgumentError, match=r"a\.txt: wanted text in utf-8, got the byte 0xfc"):
        Sentences.build([tmp_path / "a.txt"], tmp_path)
