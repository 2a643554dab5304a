"""Token files: written as a stream, read as a map."""

from pathlib import Path

import numpy as np
import pytest

from ostinato.data import TokenWriter, open_tokens
from ostinato.errors import ArgumentError


@pytest.mark.parametrize(
    ("size", "dtype"), [(3, np.uint16), (65536, np.uint16), (65537, np.uint32)]
)
def test_round_trip_in_the_smallest_type(tmp_path: Path, size: int, dtype: type) -> None:
    ids = np.arange(size)
    with TokenWriter(tmp_path / "tokens.npy", size) as writer:
        writer.append(ids[:2])
        writer.append(ids[2:])
    tokens = open_tokens(tmp_path / "tokens.npy")
    assert isinstance(tokens, np.memmap)
    assert tokens.dtype == dtype
    assert np.array_equal(tokens, ids)


def test_no_tokens(tmp_path: Path) -> None:
    with TokenWriter(tmp_path / "tokens.npy", 10):
        pass
    assert np.load(tmp_path / "tokens.npy").shape == (0,)


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with TokenWriter(tmp_path / "tokens.npy", 10) as writer:
            writer.append(np.arange(5))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_map_is_read_only(tmp_path: Path) -> None:
    with TokenWriter(tmp_path / "tokens.npy", 10) as writer:
        writer.append(np.arange(5))
    with pytest.raises(ValueError, match="read-only"):
        open_tokens(tmp_path / "tokens.npy")[0] = 1


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.npy"
    with TokenWriter(path, 10) as writer:
        writer.append(np.arange(500))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArgumentError, match=r"tokens\.npy: wanted a file of tokens"):
        open_tokens(path)


def test_other_arrays_and_missing_files_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.zeros((2, 2)))
    for name in ("other.npy", "missing.npy"):
        with pytest.raises(ArgumentError, match="wanted a file of tokens"):
            open_tokens(tmp_path / name)
