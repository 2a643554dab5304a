"""The cache on disk: hits, damage, several processes at once, forks."""

import ctypes
import gc
import os
import subprocess
import sys
import warnings
import weakref
from pathlib import Path

import pytest

from ostinato.backends.fused.native import compile
from ostinato.backends.fused.native.compile import compile_text

TEXT = """
def add_rows(cur, rows):
    store_i8(cur, 0, load_i8(cur, 0) + rows)
"""

SCRIPT = f"""
import ctypes, sys
from ostinato.backends.fused.native.compile import compile_text
address = compile_text({TEXT!r}, ["add_rows"])["add_rows"]
total = ctypes.c_int64(40)
kernel = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(address)
kernel(ctypes.addressof(total), 2)
assert total.value == 42
print("built" if "ostinato.backends.fused.native.source.build" in sys.modules else "loaded")
"""


def start(directory, script=SCRIPT):
    """A process of its own with a cache in a directory."""
    environment = {**os.environ, "OSTINATO_CACHE": str(directory), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finish(process):
    """What it printed; anything on the error channel is a failure."""
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return out.strip()


def test_other_processes_load_without_building(tmp_path):
    together = [start(tmp_path) for _ in range(3)]
    assert set(map(finish, together)) <= {"built", "loaded"}
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".o", ".py"]
    assert next(tmp_path.glob("*.py")).read_text() == TEXT
    assert finish(start(tmp_path)) == "loaded"
    (code,) = tmp_path.glob("*.o")
    whole = code.read_bytes()
    code.write_bytes(whole[:-100])
    assert finish(start(tmp_path)) == "built"
    assert finish(start(tmp_path)) == "loaded"


@pytest.fixture
def loaded(monkeypatch, tmp_path):
    """Loads a text as a new process would, and gives the code instead of running it."""
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path))
    monkeypatch.setattr(compile, "link", lambda code, symbols: {"code": code})

    def load(text=TEXT, names=("add_rows",)):
        monkeypatch.setattr(compile, "known", {})
        return compile_text(text, names)["code"]

    return load


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "other", "directory", "missing"])
def test_damage_is_repaired(damage, loaded, tmp_path):
    code = loaded()
    (path,) = tmp_path.glob("*.o")
    whole = path.read_bytes()
    assert whole.endswith(code)
    if damage in ("directory", "missing"):
        path.unlink()
    if damage == "directory":
        path.mkdir()
    else:
        changed = bytes([whole[0] ^ 1]) + whole[1:-1] + bytes([whole[-1] ^ 1])
        contents = {"empty": b"", "cut": whole[:-1], "changed": changed, "other": b"{}" * 100}
        if damage in contents:
            path.write_bytes(contents[damage])
    # names inside are numbered, so that the code is not the same to the byte
    assert abs(len(loaded()) - len(code)) < 100
    if damage != "directory":
        assert compile.read(path) is not None
    assert not [p for p in tmp_path.iterdir() if p.suffix not in (".o", ".py")]


def test_a_second_load_reads_the_file(loaded, monkeypatch):
    code = loaded()
    monkeypatch.setattr(compile, "write", lambda *_: pytest.fail("built again"))
    assert loaded() == code


def test_no_place_for_a_cache(loaded, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OSTINATO_CACHE", str(tmp_path / "file" / "below"))
    assert loaded()


def test_key_holds_all_that_matters(loaded, monkeypatch, tmp_path):
    loaded()
    loaded(TEXT + "\n")
    loaded(TEXT.replace("cur, rows", "cur, rows, more"), {"add_rows": 3})
    monkeypatch.setattr(compile, "fingerprint", lambda: "another machine")
    loaded()
    assert len(list(tmp_path.glob("*.o"))) == 4


def test_once_in_a_process():
    assert compile_text(TEXT, ["add_rows"]) is compile_text(TEXT, ["add_rows"])


def test_code_that_may_raise_is_refused():
    text = '''
def write_llvm():
    return """declare i32 @abort()
        define void @worse(i64 %a, i64 %b) {
            %c = call i32 @abort()
            ret void
        }"""
'''
    with pytest.raises(AssertionError, match="must not raise or allocate"):
        compile_text(text, ["worse"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_compiles():
    compile_text(TEXT, ["add_rows"])
    with warnings.catch_warnings():
        # newer Pythons warn of forks while there are threads
        warnings.simplefilter("ignore")
        with compile.lock:
            child = os.fork()
    if child == 0:
        try:
            found = compile_text(TEXT + "# in the child\n", ["add_rows"])["add_rows"]
            total = ctypes.c_int64(1)
            kernel = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(found)
            kernel(ctypes.addressof(total), 4)
            os._exit(total.value)
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5


def test_directories(monkeypatch):
    for name in ("OSTINATO_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    home = Path.home()
    places = {
        "linux": home / ".cache" / "ostinato",
        "darwin": home / "Library" / "Caches" / "ostinato",
        "win32": home / "ostinato" / "cache",
    }
    for platform, place in places.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert compile.cache_directory() == place
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert compile.cache_directory() == Path("/caches/ostinato")
    monkeypatch.setenv("OSTINATO_CACHE", "~/here")
    assert compile.cache_directory() == home / "here"


def test_import_is_cheap(tmp_path):
    script = "import ostinato, sys; print('llvmlite' in sys.modules)"
    assert finish(start(tmp_path, script)) == "False"


def test_code_of_kernels_leaves_memory_when_nobody_holds_it(monkeypatch):
    monkeypatch.setattr(compile, "RECENT", 2)
    texts = [f"{TEXT}# number {n}\n" for n in range(4)]
    held = compile_text(texts[0], ["add_rows"])
    closed = []
    for text in texts[1:]:
        weakref.finalize(compile_text(text, ["add_rows"]), closed.append, text)
    gc.collect()
    assert closed == [texts[1]]
    assert compile_text(texts[0], ["add_rows"]) is held
    total = ctypes.c_int64(40)
    kernel = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(held["add_rows"])
    kernel(ctypes.addressof(total), 2)
    assert total.value == 42


def test_functions_of_the_library_stay(monkeypatch):
    monkeypatch.setattr(compile, "RECENT", 1)
    address = compile_text(TEXT + "# stays\n", {"add_rows": compile.KERNEL})["add_rows"]
    for n in range(3):
        compile_text(f"{TEXT}# another {n}\n", ["add_rows"])
    gc.collect()
    again = compile_text(TEXT + "# stays\n", {"add_rows": compile.KERNEL})
    assert again["add_rows"] == address
