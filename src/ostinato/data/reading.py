"""Text files read in pieces, so that memory stays flat whatever their size."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from ostinato.errors import ArgumentError

# Large enough that the cost of a piece is small beside that of its characters, small enough that
# the few copies made of one (UTF-32, ids) stay in a few MB.
PIECE = 1 << 18


def read_text(path: Path, encoding: str = "utf-8", size: int = PIECE) -> Iterator[str]:
    """The text of a file in pieces of at most about `size` characters, exactly as it is.

    Line ends are not translated, so joining the pieces gives the file back. A byte order mark of
    UTF-8 at the start is dropped. Raises ArgumentError where the bytes are not in the encoding.
    """
    _check_encoding(encoding)
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
    offset = 0
    with open(path, "rb") as file:
        while True:
            data = file.read(size)
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                raise _wrong_encoding(path, encoding, offset, error) from error
            except UnicodeError as error:  # the first bytes are not those of the encoding
                raise ArgumentError(
                    str(path), wanted=f"text in {encoding}", got="another beginning"
                ) from error
            if text:
                yield text
            if not data:
                return
            offset += len(data)


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
    except LookupError as error:
        raise ArgumentError(
            "encoding",
            wanted="a text encoding that Python knows",
            got=repr(encoding),
            remedy="Common ones are utf-8, latin-1, cp1252 and utf-16.",
        ) from error


def _wrong_encoding(
    path: Path, encoding: str, offset: int, error: UnicodeDecodeError
) -> ArgumentError:
    byte = error.object[error.start]
    # The decoder may have kept up to three bytes of a character from the piece before.
    return ArgumentError(
        str(path),
        wanted=f"text in {encoding}",
        got=f"the byte 0x{byte:02x} near position {offset + error.start}",
        remedy="If the file is text, name its encoding, such as --encoding latin-1.",
    )
