"""A corpus: split by characters, documents marked, memory flat."""

import gc
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ostinato.errors import ArgumentError
from ostinato.text import Corpus, CorpusSettings, Document, text, tokenize
from ostinato.text.tokenizer import BOS, EOS, LEVELS, UNKNOWN


def documents(*contents: str) -> list[Document]:
    return [text(content) for content in contents]


@pytest.mark.parametrize("level", LEVELS)
def test_the_two_parts_are_the_text(level: str) -> None:
    content = "a few words, and a few more words.\n" * 30
    settings = CorpusSettings(level=level, held_out=0.2, vocabulary=300, min_frequency=1)
    corpus = Corpus.build(text(content), settings)
    border = corpus.counts.train_characters
    assert border == round(0.8 * len(content))
    assert corpus.tokenizer.decode(corpus.train) == content[:border]
    # The first held-out token is the last one of the training part.
    assert corpus.held_out[0] == corpus.train[-1]
    assert corpus.tokenizer.decode(corpus.held_out[1:]) == content[border:]
    assert corpus.counts.held_out_characters == len(content) - border


@pytest.mark.parametrize("wrong", ["a string", ["a string"]])
def test_what_is_no_document_is_refused(wrong: object) -> None:
    with pytest.raises(ArgumentError, match=r"documents: .*got a str\. Use text\(string\)"):
        Corpus.build(wrong)  # type: ignore[arg-type]


def test_each_document_has_a_beginning_and_an_end() -> None:
    corpus = Corpus.build(documents("ab", "ba", "abab"), CorpusSettings(held_out=0.25))
    a, b = 3, 4
    assert corpus.train.tolist() == [BOS, a, b, EOS, BOS, b, a, EOS, BOS, a, b]
    assert corpus.held_out.tolist() == [b, a, b, EOS]
    assert corpus.counts.documents == 3


def test_the_vocabulary_is_that_of_the_training_part() -> None:
    corpus = Corpus.build(text("abcabcabcXYX"), CorpusSettings(held_out=0.25))
    assert corpus.tokenizer.size == 6
    assert corpus.held_out[1:].tolist() == [UNKNOWN] * 3 + [EOS]
    assert corpus.counts.held_out_unknown == 3
    assert "<unk> stands 0 times before them and 3 in them" in corpus.summary()


def test_empty_documents_are_documents() -> None:
    corpus = Corpus.build(documents("", "abcd", ""), CorpusSettings(held_out=0.5))
    assert corpus.tokens.tolist() == [BOS, EOS, BOS, 3, 4, UNKNOWN, UNKNOWN, EOS, BOS, EOS]


@pytest.mark.parametrize("content", ["", "a"])
def test_a_text_too_short_to_split_is_refused(content: str) -> None:
    with pytest.raises(ArgumentError, match="FILE: wanted a text long enough"):
        Corpus.build(text(content))


def test_a_corpus_is_read_again_from_its_folder(tmp_path: Path) -> None:
    made = Corpus.build(text("some text " * 9), folder=tmp_path)
    again = Corpus(tmp_path)
    assert np.array_equal(made.tokens, again.tokens)
    assert made.counts == again.counts
    assert {path.name for path in tmp_path.iterdir()} == {
        "tokens.npy",
        "tokenizer.json",
        "corpus.json",
    }


def test_a_temporary_corpus_goes_with_its_folder() -> None:
    corpus = Corpus.build(text("some text " * 9))
    folder = corpus.folder
    assert folder.is_dir()
    del corpus
    gc.collect()
    assert not folder.exists()


def test_a_damaged_corpus_is_named(tmp_path: Path) -> None:
    Corpus.build(text("some text " * 9), folder=tmp_path)
    (tmp_path / "corpus.json").write_text("{}")
    with pytest.raises(ArgumentError, match=r"corpus\.json: wanted the counts"):
        Corpus(tmp_path)


def test_another_text_by_the_same_vocabulary(tmp_path: Path) -> None:
    tokenizer = Corpus.build(text("abcabcabc")).tokenizer
    made = tokenize(tokenizer, documents("abx", "c"), tmp_path / "tokens.npy")
    assert made.tokens.tolist() == [BOS, 3, 4, UNKNOWN, EOS, BOS, 5, EOS]
    assert (made.characters, made.unknown) == (4, 1)


FLAT = """
import resource, sys
from pathlib import Path
from ostinato.text import Corpus, files

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

small, large = (Path(name) for name in sys.argv[1:])
Corpus.build(files([small]))  # imports, and tables of fixed size
before = peak()
corpus = Corpus.build(files([large]))
print(len(corpus.tokens), peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="getrusage counts in another unit there")
def test_memory_stays_flat_whatever_the_size_of_the_file(tmp_path: Path) -> None:
    line = "A line of a file that is larger than what may be held in memory at once, ü.\n"
    number = 40_000_000 // len(line)
    (tmp_path / "small").write_text(line * 1000, encoding="utf-8")
    with open(tmp_path / "large", "w", encoding="utf-8") as file:
        for _ in range(number // 1000):
            file.write(line * 1000)
    arguments = [str(tmp_path / "small"), str(tmp_path / "large")]
    done = subprocess.run(
        [sys.executable, "-c", FLAT, *arguments], capture_output=True, text=True, check=True
    )
    tokens, grown = map(int, done.stdout.split())
    assert tokens == number // 1000 * 1000 * len(line) + 2
    # 40 million characters are 80 MB as tokens and 160 MB as code points.
    assert grown < 16_000_000
