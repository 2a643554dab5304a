"""The examples of docs/trainers.md, run where their packages are installed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ostinato

PAGE = Path(__file__).parents[2] / "docs" / "trainers.md"
BLOCK = re.compile(r'^```python(?: title="([^"]+)")?\n(.*?)^```', flags=re.M | re.S)

# what trainers of others warn of is theirs; what goes wrong is told by the results
pytestmark = pytest.mark.filterwarnings("ignore")


def example(title: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the example with this title leaves, run after the block that all of them need."""
    for package in title.split(", "):
        pytest.importorskip(package, reason=f"{package} is no dependency of the project")
    monkeypatch.chdir(folder)
    torch.manual_seed(0)
    scope: dict[str, Any] = {"__name__": "__main__"}
    for name, block in BLOCK.findall(PAGE.read_text()):
        if name in ("", title):
            exec(compile(block, f"{PAGE.name}: {name}", "exec"), scope)
    return scope


def off(model: nn.Module, xs: Tensor, axis: int = 1) -> float:
    """The mean squared error of the sums; that of a model that learnt nothing is above 5."""
    with torch.no_grad():
        return (model(xs) - xs.cumsum(axis)).square().mean().item()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda title: example(title, tmp_path, monkeypatch)


def test_every_example_is_run() -> None:
    titles = {name for name, _ in BLOCK.findall(PAGE.read_text()) if name}
    assert all(f'run("{title}")' in Path(__file__).read_text() for title in titles)


def test_lightning(run: Any) -> None:
    scope = run("lightning")
    for module in scope["trained"].values():
        assert off(module.model, scope["xs"]) < 2


def test_hugging_face_trainer(run: Any) -> None:
    scope = run("transformers, accelerate")
    model = scope["pretrained"]
    assert model.gradient_checkpointing
    assert off(model.sums, scope["xs"]) < 2
    plain = ostinato_grads(model.eval(), scope)
    for got, want in zip(ostinato_grads(model.train(), scope), plain, strict=True):
        torch.testing.assert_close(got, want)


def ostinato_grads(model: nn.Module, scope: dict[str, Any]) -> list[Tensor]:
    """Gradients with checkpointing in training, and without it otherwise."""
    loss = model(scope["xs"], scope["xs"].cumsum(1))["loss"]
    return list(torch.autograd.grad(loss, list(model.parameters())))


def test_skorch(run: Any) -> None:
    scope = run("skorch, sklearn")
    search = scope["search"]
    assert search.best_params_ == {"module__hidden_size": 32}
    assert off(search.best_estimator_.module_, scope["xs"]) < 2


def test_accelerate(run: Any) -> None:
    scope = run("accelerate")
    assert off(scope["accelerated"], scope["xs"]) < 2


def test_distributed(run: Any) -> None:
    scope = run("torch.distributed")
    assert off(scope["parallel"].module, scope["xs"]) < 4
    assert type(scope["sharded"].cell.layers[0]).__name__ == "FSDPGRU"


def test_hub(run: Any) -> None:
    scope = run("huggingface_hub")
    again, shared = scope["again"], scope["shared"]
    assert again.gru.hidden_size == 24
    for name, weight in shared.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight)


def test_torchrl(run: Any) -> None:
    scope = run("tensordict, torchrl")
    policy, episodes = scope["policy"], scope["episodes"]
    assert episodes["is_init"].any()
    gru = nn.GRU(3, 32, batch_first=True)
    gru.load_state_dict({f"{k}_l0": v for k, v in policy.cell.state_dict().items()})
    keys = {"in_keys": ["observation", "state"], "out_keys": ["features", ("next", "state")]}
    theirs = scope["GRUModule"](gru=gru, default_recurrent_mode=True, **keys)
    got, want = policy(episodes.clone()), theirs(episodes.clone())
    torch.testing.assert_close(got["features"], want["features"])
    dy = torch.randn_like(got["features"])
    ours = torch.autograd.grad(got["features"], list(policy.parameters()), dy)
    for mine, known in zip(
        ours, torch.autograd.grad(want["features"], list(gru.parameters()), dy), strict=True
    ):
        torch.testing.assert_close(mine, known, rtol=1e-4, atol=1e-5)
    assert list(ostinato.nn.swap(theirs).replaced) == ["gru"]
    torch.testing.assert_close(theirs(episodes.clone())["features"], want["features"])
