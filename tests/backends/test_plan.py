"""Who runs what: the choice, its explanation, and the default of a block."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

import ostinato
from catalogue import ENTRIES, MinimalGated, gru, lstm
from ostinato import Recurrence, Residual, Stack, WeightDrop, cells, explain, unroll
from ostinato.backends import BACKENDS, Backend
from ostinato.errors import ArgumentError, BackendError

XS = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))


def used(**options: object) -> str:
    """The backend that runs an LSTM here."""
    return explain(lstm(), XS, **options).segments[0].backend


def test_names_are_unique_and_eager_is_the_last_resort() -> None:
    names = [backend.name for backend in BACKENDS]
    assert len(set(names)) == len(names)
    assert "auto" not in names
    assert names[-1] == "eager"
    assert all(isinstance(backend, Backend) for backend in BACKENDS)


def test_auto_takes_the_first_that_accepts() -> None:
    assert used() == used(backend="fused") == "fused"
    assert used(backend="aten") == "aten"
    assert used(backend="eager") == "eager"
    with torch.autocast("cpu", torch.bfloat16):
        assert used() == "eager"


def test_a_block_sets_the_default_and_blocks_nest() -> None:
    with ostinato.backend("eager"):
        assert used() == "eager"
        assert used(backend="aten") == "aten"
        with ostinato.backend("aten"):
            assert used() == "aten"
            with pytest.raises(BackendError, match="no layer norm"):
                unroll(lstm(layer_norm=True), XS)
            with ostinato.backend("auto"):
                assert used() == "fused"
        assert used() == "eager"
    assert used() == "fused"


def test_a_block_ends_with_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), ostinato.backend("eager"):
        raise ZeroDivisionError
    assert used() == "fused"
    with pytest.raises(
        ArgumentError, match="wanted one of 'auto', 'fused', 'aten', 'eager', got 'fused2'"
    ):
        ostinato.backend("fused2").__enter__()


def test_a_block_is_for_its_own_thread() -> None:
    seen: dict[str, str] = {}
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        with ostinato.backend("eager"):
            seen["other"] = used()
            inside.set()
            done.wait(timeout=30)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(timeout=30)
    seen["main"] = used()
    done.set()
    thread.join()
    assert seen == {"other": "eager", "main": "fused"}


def test_explain_tells_each_layer_and_why_not_faster() -> None:
    batchwise = Recurrence(AcrossRows(), 5)
    cell = Stack(lstm(3, 5), Residual(gru(5, 5, layer_norm=True)), batchwise, nn.Tanh())
    said = str(explain(cell, XS)).splitlines()
    assert [line.split()[0] for line in said] == [
        "Stack", "LSTM(3,", "Residual", "GRU(5,", "Recurrence(hidden_size=5)", "not", "not", "Tanh",
        "not",
    ]  # fmt: skip
    assert said[0].endswith("layer by layer:")
    assert said[1].startswith("  LSTM(3, 5)")
    assert "fused  compiled" in said[1]
    assert said[3].startswith("    GRU(5, 5, layer_norm=True)")
    assert "eager  a Python loop over the steps" in said[4]
    assert "not fused: aten.mean.dim acts across the rows of the batch, at" in said[5]
    assert said[6].strip() == "not aten: torch has no kernel for Recurrence"
    assert said[7].endswith("applied once to all steps")
    assert said[8].strip() == "not fused: a stateless module has no recurrence to compile"
    assert repr(explain(cell, XS)) == str(explain(cell, XS))


class AcrossRows(nn.Module):
    """What no compiler of rows can take."""

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return h - x.mean(0)


def test_explain_needs_no_input_where_the_cell_says_its_size() -> None:
    assert explain(lstm()).segments[0].backend == "fused"
    assert explain(lstm().double()).segments[0].backend == "fused"
    masked = explain(lstm(), XS, lengths=[1, 2], backend="aten")
    assert "packed rows" in str(masked)
    assert "packed" not in str(explain(gru(), XS, lengths=[1, 2], backend="aten"))


def test_explain_changes_nothing() -> None:
    for entry in ENTRIES:
        cell = entry.build(torch.float32)
        before = {key: value.clone() for key, value in cell.state_dict().items()}
        xs = entry.inputs(2, 3, torch.float32)
        state = torch.get_rng_state()
        explain(cell, xs)
        assert torch.equal(torch.get_rng_state(), state), entry.name
        assert all(torch.equal(before[key], value) for key, value in cell.state_dict().items())


REFUSALS = [
    (lambda: lstm(layer_norm=True), "torch's LSTM kernel has no layer norm"),
    (lambda: gru(reset="before"), 'torch\'s GRU kernel has reset="after" only'),
    (lambda: cells.Elman(3, 5, activation="sigmoid"), "torch's kernels have tanh and relu only"),
    (lambda: cells.Elman(3, 5, activation=nn.Tanh()), "torch's kernels have tanh and relu only"),
    (lambda: MinimalGated(3, 5), "torch has no kernel for MinimalGated"),
    (lambda: nn.Softmax(-1), "Softmax is not known to act on the features of a step alone"),
    (lambda: nn.Sequential(nn.Tanh(), nn.Softmax(-1)), "Softmax is not known to act on"),
    (lambda: Stack(lstm(), MinimalGated(5, 2)), "torch has no kernel for MinimalGated"),
    (lambda: ostinato.RecurrentDropout(lstm()), "torch has no kernel for RecurrentDropout"),
]


@pytest.mark.parametrize(("make", "words"), REFUSALS, ids=[row[1] for row in REFUSALS])
def test_aten_refuses_in_words(make: object, words: str) -> None:
    with pytest.raises(BackendError) as caught:
        unroll(make(), XS, backend="aten")
    assert words in caught.value.got


def test_aten_refuses_what_its_kernels_cannot_do_here() -> None:
    with pytest.raises(BackendError, match="have no resets"):
        unroll(lstm(), XS, resets=torch.ones(4, 2, dtype=torch.bool), backend="aten")
    with pytest.raises(BackendError, match="need a row"):
        unroll(lstm(), XS[:, :0], backend="aten")
    with torch.autocast("cpu", torch.bfloat16), pytest.raises(BackendError, match="autocast"):
        unroll(lstm(), XS, backend="aten")
    cell = lstm()
    with pytest.raises(BackendError, match="functorch"):
        torch.func.vmap(lambda x: unroll(cell, x[None, None], backend="aten")[0])(XS[0])
    with torch.autograd.forward_ad.dual_level(), pytest.raises(BackendError, match="forward-mode"):
        unroll(lstm(), XS, backend="aten")


def test_layers_run_at_once_where_steps_are_independent() -> None:
    """A stack runs layer by layer, so a stateless module sees the whole sequence."""
    seen: list[tuple[int, ...]] = []
    linear = nn.Linear(5, 2)
    linear.register_forward_hook(lambda module, args, out: seen.append(tuple(out.shape)))
    cell = Stack(lstm(), linear)
    unroll(cell, XS)
    assert seen == [(4, 2, 2)]
    seen.clear()
    unroll(cell, XS, backend="eager")
    assert seen == [(2, 2)] * 4


def test_weight_drop_runs_its_cell_on_the_fast_path_in_training() -> None:
    said = explain(WeightDrop(lstm(), 0.5), XS)
    assert [segment.backend for segment in said.segments] == ["", "fused"]


def test_the_account_tells_all_that_was_compiled() -> None:
    said = explain(Stack(lstm(3, 5), MinimalGated(5, 2)), XS).account
    first, second = said.split("MinimalGated")
    assert first.startswith("LSTM(3, 5)\ncompiled; a step: 1 product, 1 kernel; outside the loop:")
    # 4 gates of 5 from x and h, each product a multiplication and an addition
    assert f"forward: {2 * 4 * 5 * (3 + 5)} floating-point operations a row and step" in first
    assert "all steps at once: record0 += x0 [3] x weight_ih [20]" in first
    assert "each step: record0 += before0 [5] x weight_hh [20]" in first
    assert "at the end: gradient of a weight [20, 5]" in first
    assert "after1 [5]: " in first
    assert "tanh" in first.split("saved:")[1]
    assert "def forward_1_0(cur, rows):" in first
    assert "def backward_1_0(cur, rows):" in second
    assert explain(lstm(), XS, backend="eager").account == ""
