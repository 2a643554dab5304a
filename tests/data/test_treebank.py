"""The Penn Treebank's files, in small."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.data import Columns, ColumnSettings, read_treebank
from ostinato.errors import ArgumentError

TRAIN = " no it was n't black monday \n but while the <unk> N the N \n"


def write(
    folder: Path, train: str = TRAIN, valid: str = " the N was red \n", test: str = ""
) -> Path:
    for part, content in (("train", train), ("valid", valid), ("test", test)):
        (folder / f"ptb.{part}.txt").write_text(content)
    return folder


def test_the_layout(tmp_path: Path) -> None:
    treebank = read_treebank(write(tmp_path))
    assert treebank.vocabulary.words[:3] == ("<eos>", "N", "the")  # twice each, then the others
    decoded = treebank.vocabulary.decode(treebank.train)
    assert " ".join(decoded) == TRAIN.replace("\n", "<eos>").strip()
    assert treebank.vocabulary.decode(treebank.valid) == ["the", "N", "was", "<unk>", "<eos>"]
    assert treebank.train.dtype == np.uint16
    assert len(treebank.test) == 0
    assert (
        treebank.summary() == "15 tokens, 5 for validation and 0 for the test, a vocabulary of 12"
    )


def test_a_new_word_without_unk(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="got 'dog'"):
        read_treebank(write(tmp_path, train="the cat \n", valid="the dog \n"))


def test_a_missing_file_suggests_the_near_one(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "ptb.valid.txt").rename(tmp_path / "ptb.val.txt")
    with pytest.raises(ArgumentError, match=r"folder: .*Did you mean .*ptb\.val\.txt"):
        read_treebank(tmp_path)


def test_it_becomes_columns(tmp_path: Path) -> None:
    train = read_treebank(write(tmp_path, train=TRAIN * 20)).train
    for inputs, targets in Columns(train, ColumnSettings(batch_size=3, bptt=5)).batches(0):
        assert torch.equal(inputs[1:], targets[:-1])
