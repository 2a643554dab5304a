"""Who runs what: the choice, its explanation, and the default of a block."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn

import ostinato
from catalogue import ENTRIES, MinimalGated, gru, lstm
from ostinato import Residual, Stack, WeightDrop, cells, explain, unroll
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
    assert used() == used(backend="aten") == "aten"
    assert used(backend="eager") == "eager"
    assert used(resets=torch.ones(4, 2, dtype=torch.bool)) == "eager"


def test_a_block_sets_the_default_and_blocks_nest() -> None:
    with ostinato.backend("eager"):
        assert used() == "eager"
        assert used(backend="aten") == "aten"
        with ostinato.backend("aten"):
            assert used() == "aten"
            with pytest.raises(BackendError, match="no layer norm"):
                unroll(lstm(layer_norm=True), XS)
            with ostinato.backend("auto"):
                assert used() == "aten"
        assert used() == "eager"
    assert used() == "aten"


def test_a_block_ends_with_an_error_too() -> None:
    with pytest.raises(ZeroDivisionError), ostinato.backend("eager"):
        raise ZeroDivisionError
    assert used() == "aten"
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
    assert seen == {"other": "eager", "main": "aten"}


def test_explain_tells_each_layer_and_why_not_faster() -> None:
    cell = Stack(lstm(3, 5), Residual(gru(5, 5, layer_norm=True)), MinimalGated(5, 2), nn.Tanh())
    said = str(explain(cell, XS)).splitlines()
    assert [line.split()[0] for line in said] == [
        "Stack", "LSTM(3,", "Residual", "GRU(5,", "not", "MinimalGated", "not", "Tanh",
    ]  # fmt: skip
    assert said[0].endswith("layer by layer:")
    assert said[1].startswith("  LSTM(3, 5)")
    assert said[1].endswith("aten   torch's oneDNN or native kernel")
    assert said[3].startswith("    GRU(5, 5, layer_norm=True)")
    assert "eager  a Python loop over the steps" in said[3]
    assert said[4].strip() == "not aten: torch's GRU kernel has no layer norm"
    assert said[6].strip() == "not aten: torch has no kernel for MinimalGated"
    assert said[7].endswith("applied once to all steps")
    assert repr(explain(cell, XS)) == str(explain(cell, XS))


def test_explain_needs_no_input_where_the_cell_says_its_size() -> None:
    assert explain(lstm()).segments[0].backend == "aten"
    assert explain(lstm().double()).segments[0].backend == "aten"
    masked = explain(lstm(), XS, lengths=[1, 2])
    assert "packed rows" in str(masked)
    assert "packed" not in str(explain(gru(), XS, lengths=[1, 2]))


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
    assert [segment.backend for segment in said.segments] == ["", "aten"]


def test_auto_passes_over_a_backend_that_is_by_name_only() -> None:
    by_name = [backend.name for backend in ostinato.backends.BACKENDS if backend.by_name_only]
    assert by_name == ["fused"]
    cell = ostinato.EmitState(lstm())
    assert "fused" not in str(ostinato.explain(cell, XS))
    assert "fused" in str(ostinato.explain(cell, XS, backend="fused"))
