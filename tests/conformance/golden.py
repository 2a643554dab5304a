"""Numbers of the original Torch7 ``rnn``: reading them, and holding a module to them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ostinato import cells, torch7, unroll

GOLDEN = Path(__file__).parent.parent / "golden"
Case = dict[str, Any]


def load(*files: str) -> dict[str, Case]:
    found = [case for file in files for case in json.loads((GOLDEN / f"{file}.json").read_text())]
    return {case["name"]: case for case in found}


def cases(*files: str) -> list[Any]:
    return [pytest.param(case, id=key) for key, case in load(*files).items()]


def tensor(given: Any) -> Tensor:
    """A recorded tensor; a list of steps as [T, ...]. Indices count from 0."""
    if isinstance(given, list):
        return torch.stack([tensor(one) for one in given])
    if given.get("dtype") == "long":
        return torch.tensor(given["data"], dtype=torch.long).reshape(given["shape"]) - 1
    return torch.tensor(given["data"], dtype=torch.float64).reshape(given["shape"])


def batched(xs: Tensor, case: Case) -> Tensor:
    """xs [T, B, ...]; a case without a batch has one row."""
    return xs[:, None] if case.get("batch") is False else xs


def layouts(module: nn.Module, case: Case) -> list[str]:
    """The old classes of the cells of a module: one for each, or one that is that of all."""
    cells_of = [m for m in module.modules() if isinstance(m, cells.GatedCell)]
    text = case.get("construct", "") or case["module"]
    named = [name for name in re.findall(r"nn\.\w+", text) if name in torch7.LAYOUTS]
    return named if len(named) == len(cells_of) else list(dict.fromkeys(named))[: len(cells_of)]


def convert(module: nn.Module, given: list[Any], case: Case) -> dict[str, Tensor]:
    """Recorded tensors in the order of Torch7's ``parameters()`` as ours, by name."""
    return torch7.convert(module, [tensor(p) for p in given], *layouts(module, case))


def fill(module: nn.Module, case: Case, key: str = "params") -> None:
    values = [tensor(p) for p in case[key]]
    torch7.load(module.double(), values, *layouts(module, case))


def check_gradients(module: nn.Module, given: list[Any], case: Case) -> None:
    """Gradients by parameter; a second bias, where Torch7 has one, has that of the first."""
    wanted = convert(module, given, case)
    for name, p in module.named_parameters():
        if name.endswith("weight_ch") and not wanted[name].any():
            continue  # the peepholes of a SeqLSTMP, which has none
        assert p.grad is not None
        want = wanted[name]
        if name.endswith("bias_hh"):
            want = torch.where(want == 0, wanted[name[:-2] + "ih"], want)
        close(p.grad, want)


def close(got: Tensor, want: Tensor) -> None:
    torch.testing.assert_close(got.detach(), want, rtol=0, atol=1e-8)


def check(module: nn.Module, run: Callable[[Tensor], Tensor], case: Case) -> None:
    """Forward, backward and, where it is recorded, evaluation."""
    fill(module, case)
    xs = batched(tensor(case["input"]), case)
    if xs.is_floating_point():
        xs.requires_grad_()
    ys = run(xs)
    close(ys, batched(tensor(case["output"]), case))
    ys.backward(batched(tensor(case["gradOutput"]), case))
    check_gradients(module, case["gradParams"], case)
    if xs.grad is not None:
        close(xs.grad, batched(tensor(case["gradInput"]), case))
    if "evalOutput" in case:
        module.eval()
        close(run(xs), batched(tensor(case["evalOutput"]), case))


OLD: dict[str, Callable[[int, int], nn.Module]] = {
    "Linear": nn.Linear,
    "LookupTable": nn.Embedding,
    "LSTM": cells.PeepholeLSTM,
    "FastLSTM": cells.LSTM,
    "SeqLSTM": cells.LSTM,
    "SeqBRNN": cells.LSTM,
    "GRU": partial(cells.GRU, reset="before"),
    "SeqGRU": partial(cells.GRU, reset="before"),
}


def built(text: str) -> list[nn.Module]:
    """The layers that an expression of Torch7 makes, in order."""
    found = re.findall(r"nn\.(\w+)\((\d+),(\d+)", text)
    return [OLD[name](int(i), int(h)) for name, i, h in found if name in OLD]


def sizes(case: Case) -> tuple[int, int]:
    args = case["args"]
    if "H" in args:
        return args["I"], args["H"]
    low = {key.lower(): value for key, value in args.items()}
    return low["inputsize"], low["outputsize"]


def masked(cell: nn.Module, case: Case, backend: str = "auto") -> Callable[[Tensor], Tensor]:
    """Torch7's maskZero: a step of zeros gives zeros, and the state starts again after it."""

    def run(xs: Tensor) -> Tensor:
        if not re.search(r"(mask|trim)[zZ]ero", case["construct"]):
            return unroll(cell, xs, backend=backend)[0]
        there = xs.detach().square().sum(-1) > 0
        return unroll(cell, xs, mask=there, resets=~there, backend=backend)[0]

    return run
