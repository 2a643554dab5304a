"""Arrays of a file that may be anyone's."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ostinato.data.arrays import DamagedError, read_arrays

PARTS = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yz"]), "c": np.arange(3)}


def test_what_savez_writes_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "parts.npz", **PARTS)
    found = read_arrays(tmp_path / "parts.npz", PARTS)
    for name, array in PARTS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    found["a"][0] = 7  # they are the reader's own


def test_packed_files_are_not_unpacked(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "parts.npz", a=np.zeros(10**6))
    with pytest.raises(DamagedError, match="packed"):
        read_arrays(tmp_path / "parts.npz", ["a"])


def test_other_parts_and_other_files(tmp_path: Path) -> None:
    np.savez(tmp_path / "parts.npz", **PARTS)
    with pytest.raises(DamagedError, match="its parts are a, b, c"):
        read_arrays(tmp_path / "parts.npz", ["a"])
    with pytest.raises(DamagedError, match="not there"):
        read_arrays(tmp_path / "no.npz", ["a"])
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(DamagedError, match="damaged"):
        read_arrays(tmp_path / "text", ["a"])


def member(header: dict[str, object], numbers: bytes) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + numbers


@pytest.mark.parametrize(
    "content",
    [
        member({"descr": "<f8", "fortran_order": False, "shape": (10**12,)}, bytes(16)),
        member({"descr": "<f8", "fortran_order": False, "shape": (1,)}, bytes(16)),
        member({"descr": "<f8", "fortran_order": True, "shape": (2,)}, bytes(16)),
        member({"descr": "|O", "fortran_order": False, "shape": (2,)}, bytes(16)),
        b"\x93NUMPY\x01\x00\x08\x00nonsense",
        b"",
    ],
)
def test_no_size_is_believed(tmp_path: Path, content: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "parts.npz", "w") as archive:
        archive.writestr("a.npy", content)
    with pytest.raises(DamagedError):
        read_arrays(tmp_path / "parts.npz", ["a"])
