"""Sequencer and Recursor: a state that is kept between calls."""

from __future__ import annotations

import copy
import io
from itertools import product

import pytest
import torch
from torch import nn

from catalogue import ENTRIES, gru, lstm
from ostinato import Recursor, Sequencer, WeightDrop, chunks, detach, unroll
from ostinato.errors import StateError

XS = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
MODES = ("neither", "train", "eval", "both")


@pytest.mark.parametrize(("mode", "training"), [*product(MODES, (True, False))])
@pytest.mark.parametrize("kind", [Sequencer, Recursor])
def test_who_remembers_when(kind: type, mode: str, training: bool) -> None:
    shell = kind(lstm(), remember=mode).train(training)
    x = XS if kind is Sequencer else XS[0]
    first, second = shell(x), shell(x)
    carries = mode == "both" or mode == ("train" if training else "eval")
    assert torch.equal(first, second) == (not carries)
    if carries:
        whole, _ = unroll(
            shell.cell, torch.cat([XS, XS]) if kind is Sequencer else x.repeat(2, 1, 1)
        )
        torch.testing.assert_close(second, whole[4:] if kind is Sequencer else whole[1])
        torch.testing.assert_close(shell.forget()(x), first)
    assert f"remember={mode!r}" in repr(shell)


def test_defaults() -> None:
    assert "remember='neither'" in repr(Sequencer(gru()))
    assert "remember='both'" in repr(Recursor(gru()))
    shell = Sequencer(gru())
    assert shell.remember() is shell
    assert "remember='both'" in repr(shell)


@pytest.mark.parametrize("mode", MODES)
def test_switching_the_mode_forgets(mode: str) -> None:
    shell = Sequencer(lstm(), remember=mode)
    parent = nn.Sequential(shell)
    first = parent(XS)
    assert shell.state is not None
    parent.train()
    assert shell.state is not None
    parent.eval()
    assert shell.state is None
    torch.testing.assert_close(parent(XS), first)
    parent.train()
    assert shell.state is None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", [Sequencer, Recursor])
def test_a_state_that_is_set_is_used_once_and_gradients_reach_it(kind: type, mode: str) -> None:
    shell = kind(lstm(), remember=mode)
    x = XS if kind is Sequencer else XS[0]
    given = tuple(torch.randn(2, 5, requires_grad=True) for _ in range(2))
    shell.state = given
    assert shell.state is given
    y = shell(x)
    torch.testing.assert_close(y, unroll(shell.cell, x.reshape(-1, 2, 3), given)[0].view_as(y))
    y.sum().backward()
    assert all(leaf.grad is not None and leaf.grad.any() for leaf in given)
    assert shell.state is not given
    shell.state = None
    assert torch.equal(shell(x), shell.forget()(x))


def test_a_sequencer_carries_by_value() -> None:
    shell = Sequencer(lstm(), remember="both")
    first = XS.clone().requires_grad_()
    shell(first)
    shell(XS).sum().backward()
    assert first.grad is None


def test_a_recursor_carries_the_graph_until_it_is_cut() -> None:
    shell = Recursor(lstm())
    steps = [x.clone().requires_grad_() for x in XS]
    for t, x in enumerate(steps):
        if t == 2:
            shell.detach()
        y = shell(x)
    y.sum().backward()
    assert [x.grad is not None for x in steps] == [False, False, True, True]
    Recursor(gru()).detach()


def test_streaming_keeps_no_graph_under_no_grad() -> None:
    shell = Recursor(nn.Linear(3, 5), gru(5, 5))
    with torch.no_grad():
        for x in XS:
            shell(x)
    assert all(leaf.grad_fn is None for leaf in shell.state[1:])


@pytest.mark.parametrize("kind", [Sequencer, Recursor])
def test_another_batch_size_is_refused(kind: type) -> None:
    x = XS if kind is Sequencer else XS[0]
    for cell in (lstm(), WeightDrop(lstm(), 0.5)):
        shell = kind(cell, remember="both")
        shell(x)
        for other in (x[..., :1, :], torch.cat([x, x], dim=-2)):
            with pytest.raises(StateError, match=r"the batch size 2 of the remembered.*forget\(\)"):
                shell(other)
        assert shell.forget()(x[..., :1, :]).shape[-2] == 1
        with pytest.raises(StateError, match="batch size 1"):
            shell(x)


def test_batch_size_is_free_where_nothing_is_remembered() -> None:
    shell = Sequencer(lstm())
    assert shell(XS).shape == (4, 2, 5)
    assert shell(XS[:, :1]).shape == (4, 1, 5)
    stateless = Recursor(nn.Tanh())
    assert stateless(XS[0]).shape == stateless(XS[0, :1].expand(7, 3))[:2].shape


def test_options_are_those_of_unroll() -> None:
    cell = lstm()
    shell = Sequencer(cell)
    resets = torch.tensor([[False, True]] * 4)
    for options in ({"lengths": [1, 4]}, {"reverse": True}, {"mask": resets, "resets": resets}):
        torch.testing.assert_close(shell(XS, **options), unroll(cell, XS, **options)[0])


def test_a_shell_is_copied_and_saved_with_its_state() -> None:
    shell = Sequencer(lstm(), remember="both")
    shell(XS)
    twin = copy.deepcopy(shell)
    file = io.BytesIO()
    torch.save(shell, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    want = shell(XS)
    torch.testing.assert_close(twin(XS), want)
    torch.testing.assert_close(loaded(XS), want)
    assert not any("state" in key for key in shell.state_dict())
    assert copy.deepcopy(Recursor(gru())).state is None


def test_a_list_of_steps_gives_a_list_of_steps() -> None:
    shell = Sequencer(lstm(), nn.Linear(5, 2), remember="both")
    want = shell(XS)
    got = shell.forget()(list(XS), lengths=[4, 4])
    assert isinstance(got, list)
    torch.testing.assert_close(torch.stack(got), want)
    torch.testing.assert_close(shell([XS[0]])[0], shell.forget()(torch.cat([XS, XS[:1]]))[-1])
    assert shell([]) == []
    entry = next(entry for entry in ENTRIES if entry.name == "user_pair_input")
    pairs = entry.inputs(3, 2, torch.float32)
    shell = Sequencer(entry.make())
    got = shell([(floats, index) for floats, index in zip(*pairs, strict=True)])
    torch.testing.assert_close(torch.stack([y["square"] for y in got]), shell(pairs)["square"])


@pytest.mark.parametrize("kind", [Sequencer, Recursor])
def test_the_outermost_shell_keeps_the_state(kind: type) -> None:
    inner = Recursor(lstm())
    inner(XS[0])
    shell = kind(Recursor(inner), Sequencer(nn.Linear(5, 2)), remember="both")
    x = XS if kind is Sequencer else XS[0]
    twin = kind(inner.cell, shell.cell.layers[1], remember="both")
    for _ in range(2):
        torch.testing.assert_close(shell(x), twin(x))
    assert kind(inner).cell is inner.cell


def test_chunks_and_detach_are_truncated_back_propagation() -> None:
    cell = lstm()
    xs = torch.randn(7, 2, 3, requires_grad=True)
    targets = torch.randn(7, 2, 5)
    state, sizes = None, []
    for x, target in chunks((xs, targets), 3):
        ys, state = unroll(cell, x, state)
        (ys - target).square().sum().backward()
        state = detach(state)
        sizes.append(len(x))
    assert sizes == [3, 3, 1]
    got = cell.weight_hh.grad.clone()
    cell.zero_grad()
    shell, total = Sequencer(cell, remember="both"), 0.0
    for x, target in zip(xs.split(3), targets.split(3), strict=True):
        total = total + (shell(x) - target).square().sum()
    total.backward()
    torch.testing.assert_close(cell.weight_hh.grad, got)
    cell.zero_grad()
    (unroll(cell, xs)[0] - targets).square().sum().backward()
    assert not torch.allclose(cell.weight_hh.grad, got)


def test_chunks_of_nothing_and_of_one() -> None:
    assert list(chunks(torch.zeros(0, 2), 3)) == []
    (one,) = chunks({"a": torch.zeros(2, 3)}, 5)
    assert one["a"].shape == (2, 3)
