"""Arrays in an ``.npz`` file that may be anyone's: no size is believed that the file has not."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Collection
from io import BytesIO
from pathlib import Path

import numpy as np

# What zipfile and NumPy raise for files that are damaged in one way or another.
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    SyntaxError,
    RecursionError,
    MemoryError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
)


class DamagedError(ValueError):
    """A file that `np.savez` has not written so; says why."""


def read_arrays(
    path: Path, names: Collection[str], *, optional: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """The arrays of these names that ``np.savez`` has written, without packing and pickles.

    Those that are ``optional`` may be missing. Raises DamagedError for anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {
                member.filename.removesuffix(".npy"): member for member in archive.infolist()
            }
            if not set(names) <= members.keys() <= {*names, *optional}:
                raise DamagedError(f"its parts are {', '.join(members) or 'none'}")
            if any(each.compress_type != zipfile.ZIP_STORED for each in members.values()):
                raise DamagedError("it is packed")
            return {name: _array(archive.read(member)) for name, member in members.items()}
    except DamagedError:
        raise
    except FileNotFoundError as error:
        raise DamagedError("it is not there") from error
    except _DAMAGED as error:
        raise DamagedError("it is damaged") from error


def _array(content: bytes) -> np.ndarray:
    file = BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, fortran, dtype = read[version](file)
    numbers = content[file.tell() :]
    if dtype.hasobject or fortran or math.prod(shape) * dtype.itemsize != len(numbers):
        raise DamagedError("its sizes are not those of its numbers")
    return np.frombuffer(bytearray(numbers), dtype).reshape(shape)
