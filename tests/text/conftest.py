"""A small text that a small model learns in a moment."""

import pytest

from ostinato.text import Corpus, CorpusSettings, LanguageModel, ModelSettings, text

VERSE = "the cat sat on the mat.\nthe dog sat on the log.\n" * 40


@pytest.fixture
def corpus() -> Corpus:
    return Corpus.build(text(VERSE), CorpusSettings(held_out=0.25))


@pytest.fixture
def model(corpus: Corpus) -> LanguageModel:
    return LanguageModel(
        corpus.tokenizer.size, ModelSettings(size=16, embedding=8, input_dropout=0, dropout=0)
    )
