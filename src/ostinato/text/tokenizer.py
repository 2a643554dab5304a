"""Text to ids and back, by characters, words, byte-pair encoding (BPE), or as it is spaced.

All are a tokeniser of Hugging Face ``tokenizers`` and are kept as its JSON, so other programs
can read them. The first three give the text back exactly, white space included, apart from unknown
words and characters. The fourth is for text whose words are parted already, such as the Penn
Treebank: what stands between spaces is a word, and each line end is an <eos>. The special tokens
are

====  =======  =============================================================================
id    token    meaning
====  =======  =============================================================================
0     <bos>    stands before each document and wherever reading begins with an empty state
1     <eos>    stands after each document; a sample ends when it is drawn
2     <unk>    a character or word that is not in the vocabulary; it is never drawn in a sample
====  =======  =============================================================================

They cannot be written in a text: the characters ``<eos>`` in a file are five characters. In spaced
text they can, as its authors have done so; there <eos> stands between lines in place of <bos> too,
and does not end a sample.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, final

import numpy as np

from ostinato.data.files import atomic, read_json
from ostinato.data.requirements import require
from ostinato.data.tokens import token_dtype
from ostinato.data.vocabulary import Vocabulary
from ostinato.errors import ArgumentError
from ostinato.text.characters import CharacterTable, alphabet
from ostinato.text.cutting import cut_at_lines

LEVELS = ("char", "word", "bpe", "spaced")
SPECIAL = ("<bos>", "<eos>", "<unk>")
BOS, EOS, UNKNOWN = range(3)

# What one token is before any merging. A space belongs to the word after it, so that words need no
# token of their own between them; a line end is always a token alone, so that text may be cut
# after it.
PATTERNS = {
    "char": r"[\s\S]",
    "word": r"\n| ?\w+(?:['’]\w+)*| ?[^\w\s]|[^\S\n]",  # noqa: RUF001, typographic apostrophe
    "bpe": r"\n| ?\w+| ?[^\w\s]+|[^\S\n]+(?!\S)|[^\S\n]+",
}

# PTB's vocabulary (Mikolov 2010) for words; a few merges for byte pairs, as corpora are small.
VOCABULARY = {"word": 10_000, "bpe": 2_000}


@final
class Tokenizer:
    """Turns text into ids and back. Made by `train_tokenizer`, or by `Tokenizer.load`."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        # Otherwise the characters "<eos>" in a text would become the special token.
        self._inner.encode_special_tokens = True
        self.size: int = inner.get_vocab_size()
        self.level = _level(inner)
        self.by_lines = self.level == "spaced"
        """Whether each line is a text of its own, between one <eos> and the next."""
        self.opening = EOS if self.by_lines else BOS
        """The token that stands before a text, where reading begins with an empty state."""
        self._table = CharacterTable(inner.get_vocab(), UNKNOWN) if self.level == "char" else None

    def encode(self, text: str) -> np.ndarray:
        """The ids [n] of a text, without special tokens but <unk>."""
        if self._table is not None:
            return self._table.encode(text)
        # The fast call leaves out where in the text each token stands, for 1.5 times the speed.
        (encoding,) = self._inner.encode_batch_fast([text], add_special_tokens=False)
        return np.array(encoding.ids, dtype=token_dtype(self.size))

    def encode_pieces(self, pieces: Iterable[str]) -> Iterator[np.ndarray]:
        """The ids of a text given in pieces; the same ids wherever it is cut."""
        if self._table is None:
            pieces = cut_at_lines(pieces)
        return (self.encode(piece) for piece in pieces)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; <unk> is written out, <bos> and <eos> are left out.

        In spaced text <eos> is a line end.
        """
        if self.by_lines:
            stream = self.stream()
            return "".join(stream.add(int(number)) for number in ids)
        kept = [int(number) for number in ids if number not in (BOS, EOS)]
        return self._inner.decode(kept, skip_special_tokens=False)

    def stream(self, before: str = "") -> TokenStream | SpacedStream:
        """A decoder that takes ids one by one, which go on from the text before them."""
        return SpacedStream(self._inner, before) if self.by_lines else TokenStream(self._inner)

    def unknown(self, text: str) -> list[str]:
        """The different characters or words of a text that are not in the vocabulary, in order."""
        encoding = self._inner.encode(text, add_special_tokens=False)
        spans = zip(encoding.ids, encoding.offsets, strict=True)
        found = (
            text[start:stop].strip() or text[start:stop]
            for i, (start, stop) in spans
            if i == UNKNOWN
        )
        return list(dict.fromkeys(found))

    def name(self, number: int) -> str:
        """What an id stands for: its text, or the name of a special token."""
        return SPECIAL[number] if number < len(SPECIAL) else self.decode([number])

    def save(self, path: Path) -> None:
        """Write the JSON of ``tokenizers``."""
        with atomic(path, "w") as file:
            file.write(self._inner.to_str(pretty=True))

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read what `save` wrote. Raises ArgumentError where the file is missing or damaged."""
        library = require("tokenizers", "text")
        read_json(path, "a tokeniser of ostinato")  # for its words
        try:
            made = cls(library.Tokenizer.from_str(path.read_text(encoding="utf-8")))
            if not _is_ours(library, made._inner, made.level):
                raise ValueError
        # tokenizers raises plain Exception, and where it gives up a BaseException of its own
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            raise ArgumentError(
                str(path),
                wanted="a tokeniser of ostinato, as JSON",
                got="another one",
                remedy="It belongs to a run and is written by `ostinato train text`.",
            ) from error
        return made


@final
class TokenStream:
    """Text from ids that come one at a time; a character may take several ids (BPE)."""

    def __init__(self, inner: Any) -> None:
        decoders = require("tokenizers.decoders", "text")
        self._inner = inner
        self._stream = decoders.DecodeStream(skip_special_tokens=False)

    def add(self, number: int) -> str:
        """The characters that this id completes, perhaps none."""
        return self._stream.step(self._inner, number) or ""


@final
class SpacedStream:
    """Text from ids of spaced text that come one at a time: words with spaces, lines with ends."""

    def __init__(self, inner: Any, before: str) -> None:
        self._inner = inner
        self._at_start = not before or before[-1].isspace()

    def add(self, number: int) -> str:
        """The word of this id, after a space within a line; a line end for <eos>."""
        if number == BOS:
            return ""
        if number == EOS:
            self._at_start = True
            return "\n"
        space = "" if self._at_start else " "
        self._at_start = False
        return space + self._inner.id_to_token(number)


def train_tokenizer(
    pieces: Iterable[str],
    level: str,
    *,
    vocabulary: int | None = None,
    min_frequency: int | None = None,
) -> Tokenizer:
    """A tokeniser whose vocabulary is that of a text, given in pieces.

    ``level`` is ``"char"`` (every character of the text), ``"word"`` (the most frequent words, at
    most ``vocabulary``, seen at least ``min_frequency`` times, by default twice), ``"bpe"`` (all
    256 bytes, and merges up to ``vocabulary``; no text is unknown) or ``"spaced"`` (all words,
    unless vocabulary or min_frequency say less). Raises ArgumentError for another level.
    """
    library = require("tokenizers", "text")
    if level == "char":
        return Tokenizer(_characters(library, alphabet(pieces)))
    if level == "spaced":
        return Tokenizer(_spaced(library, pieces, vocabulary, min_frequency or 1))
    make = {"word": _words, "bpe": _byte_pairs}.get(level)
    if make is None:
        raise ArgumentError("level", wanted=f"one of {', '.join(LEVELS)}", got=repr(level))
    size = VOCABULARY[level] if vocabulary is None else vocabulary
    inner, trainer = make(library, size, min_frequency or 2)
    # The trainer buffers 256 texts at a time: lines, not pieces, keep that small.
    lines = (line for piece in cut_at_lines(pieces) for line in StringIO(piece, newline="\n"))
    inner.train_from_iterator(lines, trainer)
    return Tokenizer(inner)


def _split(library: Any, level: str) -> Any:
    return library.pre_tokenizers.Split(library.Regex(PATTERNS[level]), "isolated")


def _characters(library: Any, characters: list[str]) -> Any:
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *characters])}
    inner = library.Tokenizer(library.models.WordLevel(vocabulary, unk_token=SPECIAL[UNKNOWN]))
    inner.add_special_tokens(list(SPECIAL))
    inner.pre_tokenizer = _split(library, "char")
    inner.decoder = library.decoders.Fuse()
    return inner


def _spaced(library: Any, pieces: Iterable[str], most: int | None, min_frequency: int) -> Any:
    counts: Counter[str] = Counter()
    for piece in cut_at_lines(pieces):
        counts.update(piece.split())
    words = Vocabulary.of(counts, special=SPECIAL, min_frequency=min_frequency, most=most).words
    vocabulary = {word: number for number, word in enumerate(words)}
    inner = library.Tokenizer(library.models.WordLevel(vocabulary, unk_token=SPECIAL[UNKNOWN]))
    inner.normalizer = library.normalizers.Replace("\n", f" {SPECIAL[EOS]} ")
    inner.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
    return inner


def _words(library: Any, size: int, min_frequency: int) -> tuple[Any, Any]:
    inner = library.Tokenizer(library.models.WordLevel(unk_token=SPECIAL[UNKNOWN]))
    inner.pre_tokenizer = _split(library, "word")
    inner.decoder = library.decoders.Fuse()
    return inner, library.trainers.WordLevelTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=list(SPECIAL),
        show_progress=False,
    )


def _byte_pairs(library: Any, size: int, min_frequency: int) -> tuple[Any, Any]:
    least = 256 + len(SPECIAL)
    if size < least:
        raise ArgumentError(
            "vocabulary",
            wanted=f"at least {least} for BPE: every byte and the special tokens",
            got=str(size),
        )
    byte_level = library.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner = library.Tokenizer(library.models.BPE())
    inner.pre_tokenizer = library.pre_tokenizers.Sequence([_split(library, "bpe"), byte_level])
    inner.decoder = library.decoders.ByteLevel()
    return inner, library.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=list(SPECIAL),
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )


def _is_ours(library: Any, inner: Any, level: str) -> bool:
    """Whether a tokeniser differs from a new one of its level in its vocabulary alone.

    One of others could take any time for a text, or give one that nobody has written.
    """
    made = {
        "char": lambda: _characters(library, []),
        "spaced": lambda: _spaced(library, (), None, 1),
        "word": lambda: _words(library, 0, 1)[0],
        "bpe": lambda: _byte_pairs(library, 256 + len(SPECIAL), 1)[0],
    }[level]()
    ours, theirs = (json.loads(each.to_str()) for each in (made, inner))
    for each in (ours, theirs):
        for name in ("vocab", "merges"):
            each["model"].pop(name, None)
    # named in a new one of characters, and in any that was trained
    del ours["added_tokens"]
    added = {token["content"] for token in theirs.pop("added_tokens")}
    vocabulary = inner.get_vocab()
    numbered = sorted(vocabulary.values()) == list(range(len(vocabulary)))
    special = all(vocabulary.get(name) == place for place, name in enumerate(SPECIAL))
    return ours == theirs and added <= set(SPECIAL) and numbered and special


def _level(inner: Any) -> str:
    # The level is not a field of the JSON; the pattern that splits the text tells it.
    splitter = json.loads(inner.to_str())["pre_tokenizer"] or {}
    if splitter.get("type") == "WhitespaceSplit":
        return "spaced"
    splitter = splitter.get("pretokenizers", [splitter])[0]
    pattern = splitter.get("pattern", {}).get("Regex")
    for level, known in PATTERNS.items():
        if pattern == known:
            return level
    raise ArgumentError("tokenizer", wanted="a tokeniser made by ostinato", got=f"{splitter}")
