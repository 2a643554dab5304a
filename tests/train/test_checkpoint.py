"""Checkpoints: what is written comes back, and what is damaged is refused in words."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ostinato.train import CheckpointError, Run, load_checkpoint, save_checkpoint

TREE = {
    "weights": {"w": torch.randn(3, 4), "half": torch.randn(5).bfloat16()},
    "masks": [torch.tensor([True, False]), torch.zeros(0, 3)],
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "plain": {"steps": 3, "rate": 0.1, "name": "ü", "none": None, "flag": True, "list": [1, [2]]},
}


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_a_tree_comes_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", TREE)
    assert same(load_checkpoint(tmp_path / "c"), TREE)
    assert same(load_checkpoint(tmp_path / "c", "plain"), TREE["plain"])
    assert list(tmp_path.iterdir()) == [tmp_path / "c"]


def test_tensors_that_share_memory_come_back_apart(tmp_path: Path) -> None:
    base = torch.randn(4, 4)
    save_checkpoint(tmp_path / "c", {"a": base, "b": base[1:], "c": base.T})
    loaded = load_checkpoint(tmp_path / "c")
    assert torch.equal(loaded["b"], base[1:])
    assert torch.equal(loaded["c"], base.T)


def test_a_path_like_key_is_no_path(tmp_path: Path) -> None:
    tree = {"a.b": torch.zeros(1), "c": {"b": torch.ones(1)}}
    save_checkpoint(tmp_path / "c", tree)
    assert same(load_checkpoint(tmp_path / "c"), tree)


def test_floats_come_back_to_the_last_bit(tmp_path: Path) -> None:
    values = [0.1 + 0.2, 1e-300, float("inf"), 2.0**-1074]
    save_checkpoint(tmp_path / "c", {"values": values})
    assert load_checkpoint(tmp_path / "c")["values"] == values


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, TREE)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match="wanted a checkpoint of ostinato, got a damaged"):
        load_checkpoint(path)


def test_a_changed_byte_anywhere_is_found_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, {"w": torch.randn(64)})
    data = path.read_bytes()
    tensors = len(data) - 64 * 4
    for place in range(tensors, len(data), 17):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(CheckpointError, match="the checksum of w is wrong"):
            load_checkpoint(path)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(2)}, tmp_path / "a", metadata={"format": "pt"})
    save_file({"w": torch.zeros(2)}, tmp_path / "b")
    for name, said in (("a", "pt"), ("b", "no format")):
        with pytest.raises(
            CheckpointError, match=rf"a safetensors file of another kind \({said}\)"
        ):
            load_checkpoint(tmp_path / name)


def test_text_and_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a checkpoint at all, but long enough to be one")
    torch.save({"w": torch.zeros(2)}, tmp_path / "pickle")
    for name in ("text", "pickle"):
        with pytest.raises(CheckpointError, match=name):
            load_checkpoint(tmp_path / name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="got no file"):
        load_checkpoint(tmp_path / "c")


def test_the_one_before_a_damaged_one_is_offered(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    for step in (1, 2):
        run.save_checkpoint(step, {"step": step})
    newest, before = run.checkpoints()
    newest.write_bytes(b"x" * 100)
    with pytest.raises(CheckpointError) as error:
        run.load_checkpoint()
    assert str(newest) in str(error.value)
    assert f"ostinato train --resume {before}" in str(error.value)
    assert run.load_checkpoint(before) == {"step": 1}
    before.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no older checkpoint"):
        run.load_checkpoint(before)


def test_the_metadata_is_json(tmp_path: Path) -> None:
    from safetensors import safe_open

    save_checkpoint(tmp_path / "c", {"w": torch.zeros(2), "step": 3})
    with safe_open(tmp_path / "c", framework="pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["tree"]) == {"w": {"$tensor": "w"}, "step": 3}
