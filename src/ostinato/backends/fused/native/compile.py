"""From the text of kernels to the addresses of C functions, through a cache on disk.

A text is compiled once on a machine: the object code is kept in a file named by a hash of all
that decides it, and is loaded in some milliseconds (`disk`).
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import sys
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from ostinato.backends.fused.native.disk import cache_directory, is_safe, read, trim, write
from ostinato.backends.fused.native.source.abi import KERNEL
from ostinato.backends.fused.native.source.machine import (
    host,
    target_machine,
)

RECENT = 256
"""Texts of kernels whose code stays in memory, the newest, whoever uses it."""

FUSED = Path(__file__).parents[1]
SOURCE = Path(__file__).parent / "source"
lock = threading.RLock()


class Code(dict[str, int]):
    """The addresses of functions by name; they hold as long as this object lives."""


known: weakref.WeakValueDictionary[str, Code] = weakref.WeakValueDictionary()
"""The functions that are in memory, by key."""
recent: dict[str, Mapping[str, int]] = {}
"""Those of kernels that nobody may use any more, the newest last."""
lasting: list[Mapping[str, int]] = []
"""The library's own functions, which stay."""


def unlock_child() -> None:
    """In a forked child nobody is compiling, whatever the parent's threads were doing."""
    global lock
    lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=unlock_child)


def compile_text(text: str, names: Sequence[str] | Mapping[str, int]) -> dict[str, int]:
    """The addresses of the functions `names` that a text of Python defines or imports.

    They are C functions of so many int64 as `names` says, of those of a `KERNEL` where it does not.
    Their code can neither raise nor touch a Python object, so they run without the interpreter's
    lock. Code of kernels leaves memory some time after the last who holds what is returned.
    """
    arity = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names, KERNEL)
    key = key_of(*arity, *map(str, arity.values()), text)
    with lock:
        found = known.get(key)
        if found is None:
            found = known[key] = load(key, text, arity)
            if isinstance(names, Mapping):
                lasting.append(found)
        if not isinstance(names, Mapping):
            recent.pop(key, None)
            recent[key] = found
            for old in list(recent)[:-RECENT]:
                del recent[old]
        return found


def key_of(*parts: str) -> str:
    """A hash of some text and of all that decides what it means here."""
    return hashlib.sha256("\n".join((fingerprint(), *parts)).encode()).hexdigest()


def load(key: str, text: str, arity: Mapping[str, int]) -> Code:
    """Take the object code from the disk, or build it and put it there."""
    symbols = {name: f"{name}_{key[:16]}" for name in arity}
    directory = cache_directory()
    kept = directory is not None and is_safe(directory)
    path = (directory or Path()) / f"{key[:40]}.o"
    code = read(path) if kept else None
    if code is None:
        # most processes find all code in the cache
        from ostinato.backends.fused.native.source.build import build

        source = path.with_suffix(".py")
        code = build(text, source, symbols, arity)
        if kept:
            write(source, text.encode())
            write(path, code, sealed=True)
            trim(path.parent)
    return link(code, symbols)


def note(text: str) -> None:
    """Remember on this machine that something holds, which this text says in full."""
    path = note_path(text)
    if path is not None:
        write(path, text.encode(), sealed=True)


def noted(text: str) -> bool:
    """Whether this was noted, by this version of the compiler on this kind of CPU."""
    path = note_path(text)
    return path is not None and read(path) == text.encode()


def note_path(text: str) -> Path | None:
    """The file of a note; None where nothing is kept."""
    directory = cache_directory()
    if directory is None or not is_safe(directory):
        return None
    return directory / f"{key_of('note', version_of_compiler(), text)[:40]}.checked"


def link(code: bytes, symbols: dict[str, str]) -> Code:
    """Load object code into this process, for as long as its addresses are held."""
    import llvmlite.binding as llvm

    # one of its own, which the loader will delete
    machine = target_machine.__wrapped__()
    loader = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    loader.add_object_file(llvm.ObjectFileRef.from_data(code))
    loader.finalize_object()
    made = Code({name: loader.get_function_address(symbol) for name, symbol in symbols.items()})
    # not at exit, where threads may still be running it
    weakref.finalize(made, loader.close).atexit = False
    return made


@functools.cache
def fingerprint() -> str:
    """What the object code depends on beside the text: CPU, versions, and our own sources."""
    versions = [f"{name} {version(name)}" for name in ("llvmlite", "torch")]
    ours = sources(SOURCE.glob("*.py"))
    return "\n".join((sys.platform, platform.machine(), *host(), *versions, ours))


@functools.cache
def version_of_compiler() -> str:
    """A hash of all of it: what was found to hold of one version may not of another."""
    return sources(FUSED.rglob("*.py"))


def sources(paths: Iterable[Path]) -> str:
    """A hash of files of ours."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()
