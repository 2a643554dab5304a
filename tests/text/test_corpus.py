"""A corpus: split by characters, documents marked, memory flat."""

import gc
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ostinato.data import read_treebank
from ostinato.errors import ArgumentError
from ostinato.text import Corpus, CorpusSettings, Document, Parts, files, text, tokenize
from ostinato.text.tokenizer import BOS, EOS, UNKNOWN


def documents(*contents: str) -> list[Document]:
    return [text(content) for content in contents]


@pytest.mark.parametrize("level", ["char", "word", "bpe"])
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


def test_other_texts_are_held_out_and_tested_on() -> None:
    parts = Parts(documents("abab", "ba"), documents("bax"), documents("a", "yb"))
    corpus = Corpus.build(parts)
    a, b = 3, 4
    assert corpus.train.tolist() == [BOS, a, b, a, b, EOS, BOS, b, a, EOS]
    assert corpus.held_out.tolist() == [EOS, BOS, b, a, UNKNOWN, EOS]
    assert corpus.test.tolist() == [EOS, BOS, a, EOS, BOS, UNKNOWN, b, EOS]
    assert corpus.parts == ("held_out", "test")
    assert corpus.part("test")[1] == corpus.counts.test_characters == 3
    assert corpus.frequencies.tolist() == [2, 2, 0, 3, 3]
    assert "12 characters, 2 different; the last 6 are held out, 3 of them" in corpus.summary()
    assert "<unk> stands 0 times before them and 2 in them" in corpus.summary()


def test_the_end_is_held_out_before_a_test() -> None:
    corpus = Corpus.build(
        Parts(documents("abababab"), test=documents("ab")), CorpusSettings(held_out=0.25)
    )
    assert (len(corpus.train), len(corpus.held_out), len(corpus.test)) == (7, 4, 5)
    assert corpus.held_out[0] == corpus.train[-1]
    assert corpus.test[0] == corpus.held_out[-1] == EOS


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (Parts(documents("abab"), documents("")), "text: wanted a text to hold out"),
        (
            Parts(documents("abab"), test=documents("", "")),
            "text and 1 more: wanted a text to test on",
        ),
    ],
    ids=["validation", "test"],
)
def test_an_empty_part_is_refused(parts: Parts, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Corpus.build(parts)


def test_spaced_text_has_one_end_between_lines(tmp_path: Path) -> None:
    contents = {
        "train": " the cat sat \n the <unk> \n\n a cat \n" * 3,
        "valid": " a dog \n the cat",
        "test": " the \n",
    }
    for name, content in contents.items():
        (tmp_path / f"ptb.{name}.txt").write_text(content)
    parts = Parts(*(files([tmp_path / f"ptb.{name}.txt"]) for name in contents))
    corpus, wanted = (
        Corpus.build(parts, CorpusSettings(level="spaced")),
        read_treebank(tmp_path),
    )
    # the tokens to predict are those of the treebank: before each part stands an <eos>
    for made, read in ((corpus.train, wanted.train), (corpus.held_out, wanted.valid)):
        assert made[0] == EOS
        named = [corpus.tokenizer.name(number) for number in made[1:].tolist()]
        assert named == wanted.vocabulary.decode(read)
    assert corpus.test.tolist()[0] == corpus.test.tolist()[-1] == EOS
    # all words of the treebank, and <bos>, which never comes
    assert corpus.tokenizer.size == len(wanted.vocabulary) + 1
    assert corpus.frequencies[BOS] == 0


def test_a_corpus_of_before_there_were_tests(tmp_path: Path) -> None:
    made = Corpus.build(text("some text " * 9), folder=tmp_path)
    path = tmp_path / "corpus.json"
    old = {k: v for k, v in json.loads(path.read_text()).items() if not k.startswith("test_")}
    path.write_text(json.dumps(old))
    again = Corpus(tmp_path)
    assert np.array_equal(again.held_out, made.held_out)
    assert again.parts == ("held_out",)


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
