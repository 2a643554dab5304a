"""What a training step keeps for its backward, and the most memory that it holds."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

from benchmarks import child
from benchmarks.contestants import LAYERS, Layer, Size
from benchmarks.markdown import numbers, table
from benchmarks.part import Part, Row
from benchmarks.race import Effort, uncollected
from ostinato.backends.fused.run import pool

CONTESTANTS = {"fused": "`fused`", "torch": "`torch.nn`", "loop": "the loop"}
PEAKED = ("fused", "torch")
SIZES: tuple[Size, ...] = ((100, 32, 128, 128), (30, 32, 512, 512), (784, 32, 1, 128))
PEAK_SIZE: Size = (100, 64, 128, 128)


class Account(ctypes.Structure):
    """``struct mallinfo2`` of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def allocated() -> int:
    """Bytes that this process has from the C library and has not given back: all tensors."""
    account = ctypes.CDLL(None).mallinfo2
    account.restype = Account
    found = account()
    return found.uordblks + found.hblkhd


def kept(effort: Effort) -> list[Row]:
    """A row for each layer and size."""
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        print("memory is left out: only glibc counts it", flush=True)
        return []
    sizes = ((10, 20, 1, 26),) if effort.quick else SIZES
    with uncollected():
        return [kept_row(name, size) for name in LAYERS for size in sizes]


def kept_row(name: str, size: Size) -> Row:
    """What a forward run leaves behind, in units of T*B*H numbers."""
    layer = Layer(name, size)
    unit = layer.dy.nbytes
    return {
        "layer": name,
        "size": size,
        "kept": {contestant: left_behind(layer, contestant) / unit for contestant in CONTESTANTS},
    }


def left_behind(layer: Layer, contestant: str) -> int:
    """Bytes that are there after a forward run and were not before: ys and what is saved."""
    run = layer.runs[contestant][1]
    whole, layer.xs = layer.xs, layer.xs.detach()[:1].requires_grad_()
    # compiles, and fills every cache, with a sequence of one step
    run()
    layer.xs = whole
    gc.collect()
    # what fused has ready for its next runs is not kept for this one's backward
    pool.release()
    before = allocated()
    ys = run()
    gc.collect()
    pool.release()
    after = allocated()
    assert ys.requires_grad
    return after - before


def show_kept(rows: list[Row]) -> list[str]:
    """Every layer and size."""
    lines = (
        [row["layer"], numbers(row["size"]), *(f"{row['kept'][name]:.1f}" for name in CONTESTANTS)]
        for row in rows
    )
    return table(["layer", "T, B, I, H", *CONTESTANTS.values()], lines)


def peaks(effort: Effort) -> list[Row]:
    """A row for each layer and contestant, each in a process of its own."""
    if not Path("/proc/self/clear_refs").exists():
        print("peak memory is left out: only Linux can say it", flush=True)
        return []
    size = (10, 20, 1, 26) if effort.quick else PEAK_SIZE
    return [
        {
            "layer": name,
            "size": size,
            "bytes": {who: child.call(peak, name, size, who) for who in PEAKED},
        }
        for name in effort.some(list(LAYERS))
    ]


def peak(name: str, size: Size, contestant: str) -> int:
    """By how many bytes a training step raises what the process holds, at its highest."""
    # compiles, and fills every cache, with a short sequence
    Layer(name, (2, 2, *size[2:])).training((contestant,))[contestant]()
    step = Layer(name, size).training((contestant,))[contestant]
    gc.collect()
    before = status("VmRSS")
    # the highest point from now on
    Path("/proc/self/clear_refs").write_text("5")
    step()
    return status("VmHWM") - before


def status(name: str) -> int:
    """A line of /proc/self/status, in bytes."""
    text = Path("/proc/self/status").read_text()
    line = next(line for line in text.splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def show_peaks(rows: list[Row]) -> list[str]:
    """Every layer."""
    lines = (
        [row["layer"], numbers(row["size"]), *(f"{row['bytes'][n] / 2**20:.0f}" for n in PEAKED)]
        for row in rows
    )
    return table(["layer", "T, B, I, H", *(f"{CONTESTANTS[n]}, MiB" for n in PEAKED)], lines)


KEPT = Part(
    "memory",
    "Memory kept for the backward",
    "What a forward run with gradients leaves allocated, ys included, in units of T*B*H numbers\n"
    "of float32, as the C library counts it; xs and weights are there anyway and not in it.",
    kept,
    show_kept,
)
PEAK = Part(
    "peak",
    "Most memory of a training step",
    "By how much one step raises what the process holds at its highest, each in a fresh process\n"
    "that has compiled what it needs.",
    peaks,
    show_peaks,
)
