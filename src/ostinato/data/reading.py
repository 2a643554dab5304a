"""Text files read in pieces, so that memory stays flat whatever their size."""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ostinato.data.source import existing_source, kind_of, open_bytes, source_words
from ostinato.errors import ArgumentError

# Large enough that the cost of a piece is small beside that of its characters, small enough that
# the few copies made of one (UTF-32, ids) stay in a few MB.
PIECE = 1 << 18

# Byte order marks, the longer ones first: UTF-32 begins as UTF-16 does.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNICODE = ("utf-8", "utf-16", "utf-32")
# Share of bytes of a file's beginning that are no text, such as 0x01, from which on it is none.
_STRANGE = 0.05
_BEGINNING = 1 << 16
# Bytes that texts have below the space: tab, line ends, form feed, escape.
_USUAL = b"\t\n\r\f\x1b"


def read_text(path: Path, encoding: str | None = None, size: int = PIECE) -> Iterator[str]:
    """The text of a file in pieces of at most about `size` characters, exactly as it is.

    Gzip is unpacked, and ``-`` is standard input. A byte order mark at the start says the encoding
    and is dropped; without one and without ``encoding`` the text is UTF-8. Line ends are not
    translated, so joining the pieces gives the file back. Raises ArgumentError where the bytes are
    not in the encoding; `check_text` tells what is no text though its bytes would do.
    """
    if encoding is not None:
        check_encoding(encoding)
    with open_bytes(path) as file:
        beginning = file.read(_BEGINNING)
        name = encoding_of(beginning, encoding)
        decoder = codecs.getincrementaldecoder(name)()
        offset = lines = 0
        pieces = (beginning[start : start + size] for start in range(0, len(beginning), size))
        for data in _chain(pieces, file, size):
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeError as error:
                raise _wrong_encoding(path, name, (offset, lines), error, beginning) from error
            if text:
                yield text
            offset += len(data)
            lines += data.count(b"\n")


def encoding_of(beginning: bytes, encoding: str | None) -> str:
    """The encoding of a file: what a mark at its beginning says, or what is given, or UTF-8.

    A mark outdoes the name of another form of Unicode, not that of an encoding without marks.
    """
    if encoding is None or _plain(encoding).startswith(_UNICODE):
        for mark, name in _MARKS:
            if beginning.startswith(mark):
                return name
    return encoding or "utf-8"


def check_encoding(encoding: str) -> None:
    """Raise ArgumentError for what is no encoding of texts."""
    if not _is_text_encoding(encoding):
        raise ArgumentError(
            "encoding",
            wanted="a text encoding that Python knows",
            got=repr(encoding),
            remedy="Common ones are utf-8, latin-1, cp1252 and utf-16.",
        )


def _is_text_encoding(name: str) -> bool:
    """Whether bytes become text by it: hex, rot13 and the like are codecs of another kind."""
    try:
        b"a".decode(name, errors="replace")
    except (LookupError, ValueError):  # a name with a NUL in it is a ValueError
        return False
    return True


def fitting_encoding(path: Path, usual: str | None) -> str | None:
    """The usual encoding for a file that is no UTF-8 and has no byte order mark; None else."""
    if usual is None or path.is_dir():
        return usual
    try:
        for _ in read_text(existing_source(path, "FILE")):
            pass
    except ArgumentError:
        return usual
    return None


def also_utf8(path: Path, encoding: str) -> bool:
    """Whether a file that is told to be in an encoding of single bytes begins as UTF-8 does, with
    letters that are none of ASCII."""
    if _plain(encoding).startswith(_UNICODE):
        return False
    with open_bytes(path) as file:
        beginning = file.read(_BEGINNING)
    try:
        return not codecs.getincrementaldecoder("utf-8")().decode(beginning).isascii()
    except UnicodeDecodeError:
        return False


def _plain(encoding: str) -> str:
    return codecs.lookup(encoding).name


def _chain(
    beginning: Iterator[bytes], file: IO[bytes] | gzip.GzipFile, size: int
) -> Iterator[bytes]:
    """The pieces that are read already, then those of a file, and an empty one at the end."""
    yield from beginning
    while data := file.read(size):
        yield data
    yield b""


def check_text(path: Path, encoding: str | None = None) -> None:
    """Raise ArgumentError for a file whose beginning shows that it is no text, or UTF-16 unmarked.

    Whoever names the encoding has decided that it is text.
    """
    if encoding is not None:
        return
    with open_bytes(path) as file:
        beginning = file.read(_BEGINNING)
    name = encoding_of(beginning, None)
    if name in ("utf-16", "utf-32"):
        return
    kind = kind_of(beginning)
    if kind is not None and not _is_plain(beginning):
        raise _no_text(path, kind)
    zeros = beginning.count(0)
    if not zeros:
        return
    for first, unmarked in ((1, "utf-16-le"), (0, "utf-16-be")):
        if (
            beginning[first::2].count(0)
            > len(beginning) // 5
            > 10 * beginning[1 - first :: 2].count(0)
        ):
            raise ArgumentError(
                source_words(path),
                wanted="text in utf-8",
                got="what looks like UTF-16 without a byte order mark",
                remedy=f"Name it: --encoding {unmarked}.",
            )
    if strange(beginning):
        raise _no_text(path, "what is no text")


def _is_plain(beginning: bytes) -> bool:
    """Whether the bytes are ASCII of texts, as a text may begin with "MZ" or "GIF8"."""
    return all(32 <= byte < 127 or byte in _USUAL for byte in beginning[:512])


def strange(beginning: bytes) -> bool:
    """Whether so many bytes are control characters that this is no text in any encoding."""
    count = sum(beginning.count(byte) for byte in range(32) if byte not in _USUAL)
    return count > _STRANGE * len(beginning)


def _no_text(path: Path, kind: str) -> ArgumentError:
    return ArgumentError(
        source_words(path),
        wanted="text",
        got=kind,
        remedy="Save what is in it as text (a table as CSV) first.",
    )


def _wrong_encoding(
    path: Path, name: str, place: tuple[int, int], error: UnicodeError, beginning: bytes
) -> ArgumentError:
    if strange(beginning):
        return _no_text(path, kind_of(beginning) or "what is no text")
    offset, lines = place
    got, advice = f"other bytes after position {offset}", "latin-1"
    if isinstance(error, UnicodeDecodeError):
        byte, before = error.object[error.start], error.object[: error.start]
        lines += before.count(b"\n")
        # the decoder may have kept up to three bytes of a character from the piece before
        got = f"the byte 0x{byte:02x} near position {offset + error.start}"
        # between 0x80 and 0x9f latin-1 has nothing that is written
        advice = "cp1252" if 0x80 <= byte < 0xA0 else "latin-1"
    written = name.removesuffix("-sig")
    return ArgumentError(
        source_words(path),
        wanted=f"text in {written}",
        got=got,
        remedy=f"It is in line {lines + 1}. If the file is text, name its encoding, such as "
        f"--encoding {advice}.",
    )
