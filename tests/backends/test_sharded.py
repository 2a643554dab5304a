"""Cells whose parameters PyTorch's FSDP2 (`fully_shard`) keeps as distributed tensors."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """if True:
    import sys
    import torch, torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    import ostinato
    from ostinato import cells

    store = dist.HashStore()
    dist.init_process_group("gloo", rank=0, world_size=1, store=store)
    torch.manual_seed(0)
    model = ostinato.Sequencer(ostinato.Stack(cells.GRU(4, 6), cells.LSTM(6, 5)))
    xs = torch.randn(5, 3, 4)
    want = model(xs)
    want.sum().backward()
    grads = [p.grad.clone() for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    part = {"inner": model.cell.layers[0], "whole": model}[sys.argv[1]]
    fully_shard(part, mesh=init_device_mesh("cpu", (1,)))
    got = model(xs)
    torch.testing.assert_close(got, want)
    got.sum().backward()
    for p, grad in zip(model.parameters(), grads):
        found = p.grad.full_tensor() if hasattr(p.grad, "full_tensor") else p.grad
        torch.testing.assert_close(found, grad)
    dist.destroy_process_group()
    print("equal")
"""


@pytest.mark.parametrize("part", ["inner", "whole"])
def test_sharded(part: str) -> None:
    made = subprocess.run(
        [sys.executable, "-c", SCRIPT, part],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert made.stdout.strip() == "equal", made.stderr
