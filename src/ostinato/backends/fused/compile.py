"""From the text of kernels to the addresses of C functions, through a cache on disk.

A text is compiled once on a machine: the object code is kept in a file named by a hash of all
that decides it, and is loaded without importing Numba, in some milliseconds. The directory is
``OSTINATO_CACHE`` or the user's cache directory; removing it, or any file in it, is always safe.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from ostinato.backends.fused.machine import depth_block, host, row_block, target_machine

if TYPE_CHECKING:
    import llvmlite.binding as llvm

KERNEL = "void(int64, int64)"
"""The signature of a row kernel: the table of addresses, and the number of rows."""

MAGIC = b"ostinato object 1\n"
DIGEST = 32
"""Bytes of a SHA-256."""

NOT_IN_CODE = (
    "__init__.py", "again.py", "backend.py", "dense.py", "emit.py", "execute.py", "frame.py",
    "frames.py", "functions.py", "identity.py", "interpret.py", "ir.py", "nests.py", "outside.py",
    "parallel.py", "pool.py", "program.py", "recipe.py", "record.py", "report.py", "reverse.py",
    "same.py", "script.py", "stream.py", "views.py", "watch.py",
)  # fmt: skip
"""Sources that only make texts, or only run them: the text says all about them."""

lock = threading.RLock()
known: dict[str, dict[str, int]] = {}
"""The functions that are in memory, by key. Nothing is ever unloaded."""


def unlock_child() -> None:
    """In a forked child nobody is compiling, whatever the parent's threads were doing."""
    global lock
    lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=unlock_child)


def compile_text(text: str, names: Sequence[str] | Mapping[str, str]) -> dict[str, int]:
    """The addresses of the functions `names` that a text of Python defines or imports.

    They are C functions, of the signature `KERNEL` where `names` does not give another one. Their
    code can neither raise nor touch a Python object, so they run without the interpreter's lock.
    """
    signatures = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names, KERNEL)
    key = key_of(*signatures, *signatures.values(), text)
    with lock:
        if key not in known:
            known[key] = load(key, text, signatures)
        return known[key]


def key_of(*parts: str) -> str:
    """A hash of some text and of all that decides what it means here."""
    return hashlib.sha256("\n".join((fingerprint(), *parts)).encode()).hexdigest()


def load(key: str, text: str, signatures: Mapping[str, str]) -> dict[str, int]:
    """Take the object code from the disk, or build it and put it there."""
    symbols = {name: f"{name}_{key[:16]}" for name in signatures}
    path = cache_directory() / f"{key[:40]}.o"
    code = read(path)
    if code is None:
        # Numba takes half a second to import
        from ostinato.backends.fused.build import build

        source = path.with_suffix(".py")
        code = build(text, source, symbols, signatures)
        write(source, text.encode())
        write(path, MAGIC + hashlib.sha256(code).digest() + code)
    return link(code, symbols)


def note(text: str) -> None:
    """Remember on this machine that something holds, which this text says in full."""
    write(note_path(text), MAGIC)


def noted(text: str) -> bool:
    """Whether this was noted, by this version of the compiler on this kind of CPU."""
    return note_path(text).exists()


def note_path(text: str) -> Path:
    """The empty file that stands for a note."""
    return cache_directory() / f"{key_of('note', text)[:40]}.checked"


def read(path: Path) -> bytes | None:
    """The object code in a file, or None where it is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    start = len(MAGIC) + DIGEST
    code = content[start:]
    whole = content[:start] == MAGIC + hashlib.sha256(code).digest()
    return code if whole and code else None


def write(path: Path, content: bytes) -> None:
    """Write a file so that other processes see all of it or nothing; a full disk is no error."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.replace(name, path)
        except OSError:
            os.unlink(name)
    except OSError:
        # without a cache everything works, and the next process compiles again
        return


def link(code: bytes, symbols: dict[str, str]) -> dict[str, int]:
    """Load object code into this process."""
    import llvmlite.binding as llvm

    loader = engine()
    loader.add_object_file(llvm.ObjectFileRef.from_data(code))
    loader.finalize_object()
    return {name: loader.get_function_address(symbol) for name, symbol in symbols.items()}


@functools.cache
def engine() -> llvm.ExecutionEngine:
    """The place in memory of all object code."""
    import llvmlite.binding as llvm

    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target_machine())


@functools.cache
def fingerprint() -> str:
    """What the object code depends on beside the text: CPU, versions, and our own sources."""
    sources = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name in NOT_IN_CODE:
            continue
        sources.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    versions = [f"{name} {version(name)}" for name in ("numba", "llvmlite", "torch")]
    sizes = f"blocks {depth_block()} {row_block()}"
    kept = (sys.platform, platform.machine(), *host(), sizes, *versions)
    return "\n".join((*kept, sources.hexdigest()))


def cache_directory() -> Path:
    """``OSTINATO_CACHE``, or where this platform keeps caches of the user."""
    chosen = os.environ.get("OSTINATO_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home()) / "ostinato" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ostinato"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ostinato"
