"""The directory of compiled code: whose it is, how large it may be, and whether there is one."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ostinato.backends.fused.native import disk
from ostinato.errors import ArgumentError

CODE = b"\x7fELF and so on"
NAME = "0" * 40


@pytest.fixture(autouse=True)
def _said_anew():
    disk._say.cache_clear()
    yield
    disk._say.cache_clear()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A directory of the user's own."""
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    return path


def kept(folder: Path, name: str = NAME, size: int = 0, age: float = 0.0) -> Path:
    """A file of code, written so many seconds ago."""
    path = folder / f"{name}.o"
    disk.write(path, CODE + bytes(size), sealed=True)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_what_is_written_is_read(cache: Path) -> None:
    path = kept(cache)
    assert disk.is_safe(cache)
    assert disk.read(path) == CODE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o777, 0o702, 0o703])
def test_a_directory_that_others_can_write_is_not_used(cache: Path, mode: int, caplog) -> None:
    cache.chmod(mode)
    assert [disk.is_safe(cache) for _ in range(3)] == [False] * 3
    (record,) = caplog.records
    assert f"others can write {cache}" in record.getMessage()


@pytest.mark.parametrize("own", [True, False])
def test_the_group_of_the_same_number_is_no_other(own: bool) -> None:
    found = os.stat_result((stat.S_IFDIR | 0o770, 1, 1, 1, 1000, 1000 if own else 100, 0, 0, 0, 0))
    assert disk._others_write(found) is not own


def test_a_directory_above_that_others_can_write_is_not_safe(tmp_path: Path, caplog) -> None:
    above = tmp_path / "above"
    (above / "cache").mkdir(parents=True, mode=0o700)
    above.chmod(0o777)
    assert not disk.is_safe(above / "cache")
    above.chmod(0o1777)  # sticky, as /tmp is: others cannot rename what is not theirs
    assert disk.is_safe(above / "cache")
    assert len(caplog.records) == 1


def test_a_link_leads_to_where_it_leads(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "link").symlink_to(cache)
    assert disk.is_safe(tmp_path / "link")
    cache.chmod(0o777)
    assert not disk.is_safe(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_and_directories_of_others_are_not_used(cache: Path, caplog) -> None:
    path = kept(cache)
    os.chown(path, 12345, -1)
    assert [disk.read(path) for _ in range(3)] == [None] * 3
    (record,) = caplog.records
    assert "is another user's" in record.getMessage()
    os.chown(cache, 12345, -1)
    assert not disk.is_safe(cache)


def test_a_file_that_others_can_write_is_made_anew(cache: Path) -> None:
    path = kept(cache)
    path.chmod(0o666)
    assert disk.read(path) is None
    kept(cache)
    assert disk.read(path) == CODE


def test_links_and_pipes_are_not_read(cache: Path, tmp_path: Path) -> None:
    path = kept(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert disk.read(path) is None
    path.unlink()
    os.mkfifo(path)
    assert disk.read(path) is None


def test_the_oldest_go_first_and_what_is_read_is_young(cache: Path, monkeypatch) -> None:
    monkeypatch.setenv("OSTINATO_CACHE_SIZE", "1")
    paths = [kept(cache, f"{n:040x}", 300_000, age=100.0 - n) for n in range(4)]
    assert disk.read(paths[0]) is not None
    disk.trim(cache)
    assert [path.exists() for path in paths] == [True, False, True, True]


def test_what_was_left_over_goes_and_what_is_not_ours_stays(cache: Path) -> None:
    old, new = cache / f"{NAME}.o1234", cache / f"{NAME}.o5678"
    for path in (old, new, cache / "diary.txt", cache / "a.o"):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    os.utime(cache / "diary.txt", (0, 0))
    disk.trim(cache)
    assert sorted(path.name for path in cache.iterdir()) == [new.name, "a.o", "diary.txt"]


def test_the_size_is_a_number(monkeypatch) -> None:
    assert disk.most_bytes() == 256_000_000
    for wrong in ("much", "-1", "1e3", "", "9" * 20):
        monkeypatch.setenv("OSTINATO_CACHE_SIZE", wrong)
        with pytest.raises(ArgumentError, match="OSTINATO_CACHE_SIZE: wanted a number of mega"):
            disk.most_bytes()


UNROLL = """
import pwd

def unknown(number):
    raise KeyError(number)

pwd.getpwuid = unknown
import torch, ostinato
from ostinato.backends.fused.native import disk
print(disk.cache_directory())
ys, _ = ostinato.unroll(ostinato.cells.GRU(3, 4), torch.zeros(2, 2, 3), backend="fused")
print(ys.shape)
"""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there is always a home")
def test_without_a_home_everything_works() -> None:
    left_out = ("HOME", "OSTINATO_CACHE", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", UNROLL],
        env={**environment, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["None", "torch.Size([2, 2, 4])"]
