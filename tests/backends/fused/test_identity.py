"""Recordings are never stale and never shared by cells that differ: what the key must see."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import functools
import random
import sys
import types
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import ostinato
from ostinato import Cell, Recursor, cells
from ostinato.backends.call import Call
from ostinato.backends.fused.identity import identify
from ostinato.backends.stepping import FUSED
from ostinato.errors import BackendError

SCALE = 1.0
TABLE = [1.0, 2.0]
WEIGHT = torch.ones(4)
THE_CELL: Any = None


SETTINGS_MODULE = types.ModuleType("settings_of_a_test")
SETTINGS_MODULE.scale = 1.0  # pyright: ignore[reportAttributeAccessIssue]


class Settings:
    """A user's own object of settings."""

    def __init__(self) -> None:
        self.alpha = 1.0
        self.inner = {"beta": [1.0]}


@dataclasses.dataclass
class Options:
    alpha: float = 1.0


class Base(Cell):
    """h' = tanh(W x + factor * h), the factor being what a test is about."""

    kind_factor = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Linear(3, 4)

    def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        return torch.full((batch_size, 4), 0.5, dtype=dtype, device=device)

    def factor(self) -> Any:
        return 1.0

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.w(x) + self.factor() * h)
        return h, h


def scaled(x: Tensor) -> Tensor:
    return x * SCALE


def closure() -> tuple[Callable[[], float], Callable[[float], None]]:
    value = 1.0

    def read() -> float:
        return value

    def write(new: float) -> None:
        nonlocal value
        value = new

    return read, write


READ, WRITE = closure()


class Global(Base):
    def factor(self) -> Any:
        return SCALE


class GlobalInHelper(Base):
    def factor(self) -> Any:
        return scaled(torch.ones(4))


class GlobalList(Base):
    def factor(self) -> Any:
        return TABLE[0]


class GlobalTensor(Base):
    def factor(self) -> Any:
        return WEIGHT


class GlobalByName(Base):
    def factor(self) -> Any:
        return globals()["SCALE"]


class Imported(Base):
    def factor(self) -> Any:
        import settings_of_a_test

        return settings_of_a_test.scale


class ImportedName(Base):
    def factor(self) -> Any:
        from settings_of_a_test import scale

        return scale


class Named(Base):
    def factor(self) -> Any:
        return getattr(SETTINGS_MODULE, "scale")  # noqa: B009


class Closed(Base):
    def factor(self) -> Any:
        return READ()


class ClassAttribute(Base):
    def factor(self) -> Any:
        return self.kind_factor


class Attribute(Base):
    """The factor is read out of ``held`` by ``read``."""

    def __init__(self, held: Any, read: Callable[[Any], Any]) -> None:
        super().__init__()
        self.held, self.read = held, read

    def factor(self) -> Any:
        return self.read(self.held)


def set_global(name: str, value: Any) -> None:
    globals()[name] = value


def same(cell: Cell, xs: Tensor) -> None:
    """Compiled and eager agree, with gradients and without, over a sequence and as a stream."""
    want = ostinato.unroll(cell, xs, backend="eager")[0]
    torch.testing.assert_close(ostinato.unroll(cell, xs, backend="auto")[0], want)
    with torch.no_grad():
        torch.testing.assert_close(ostinato.unroll(cell, xs, backend="auto")[0], want)


def set_item(key: Any, value: Any) -> Callable[[Any], None]:
    return lambda held: held.__setitem__(key, value)


CONTAINERS: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], None]]] = {
    "dict": ({"alpha": 1.0}, lambda h: h["alpha"], set_item("alpha", 2.0)),
    "nested dict": ({"a": {"b": [1.0]}}, lambda h: h["a"]["b"][0], lambda h: h["a"]["b"].append(3)
                    or set_item(0, 2.0)(h["a"]["b"])),
    "list": ([1.0], lambda h: h[0], set_item(0, 2.0)),
    "list of lists": ([[1.0]], lambda h: h[0][0], lambda h: set_item(0, 2.0)(h[0])),
    "list in a tuple": (([1.0],), lambda h: h[0][0], lambda h: set_item(0, 2.0)(h[0])),
    "deque": (deque([1.0]), lambda h: h[0], set_item(0, 2.0)),
    "set": ({1.0}, lambda h: sum(h), lambda h: h.add(2.0)),
    "namespace": (types.SimpleNamespace(a=1.0), lambda h: h.a, lambda h: setattr(h, "a", 2.0)),
    "argparse": (argparse.Namespace(a=1.0), lambda h: h.a, lambda h: setattr(h, "a", 2.0)),
    "dataclass": (Options(), lambda h: h.alpha, lambda h: setattr(h, "alpha", 2.0)),
    "object": (Settings(), lambda h: h.alpha, lambda h: setattr(h, "alpha", 2.0)),
    "object within": (Settings(), lambda h: h.inner["beta"][0],
                      lambda h: set_item(0, 2.0)(h.inner["beta"])),
    "array": (np.ones(4, np.float32), lambda h: torch.tensor(h), lambda h: h.fill(2.0)),
    "array shared": (np.ones(4, np.float32), torch.from_numpy, lambda h: h.fill(2.0)),
    "partial": (functools.partial(lambda d: d[0], [1.0]), lambda h: h(),
                lambda h: set_item(0, 2.0)(h.args[0])),
    "tensor in a list": ([torch.ones(4)], lambda h: h[0], set_item(0, torch.full((4,), 2.0))),
    "tensor in a dict": ({"w": torch.ones(4)}, lambda h: h["w"], set_item("w", torch.zeros(4))),
    "tensor of an object": (types.SimpleNamespace(w=torch.ones(4)), lambda h: h.w,
                            lambda h: setattr(h, "w", torch.zeros(4))),
    "modules in a list": ([nn.LeakyReLU(0.1)], lambda h: h[0](torch.full((4,), -1.0)),
                          lambda h: setattr(h[0], "negative_slope", 0.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CONTAINERS))
def test_contents_of_attributes(name: str) -> None:
    held, read, change = copy.deepcopy(CONTAINERS[name])
    cell, xs = Attribute(held, read), torch.randn(4, 2, 3)
    same(cell, xs)
    change(cell.held)
    same(cell, xs)


@pytest.mark.parametrize("name", list(CONTAINERS))
def test_contents_of_attributes_in_streams(name: str) -> None:
    held, read, change = copy.deepcopy(CONTAINERS[name])
    cell, x = Attribute(held, read), torch.randn(2, 3)
    stream, plain = Recursor(cell), Recursor(cell, backend="eager")
    with torch.no_grad():
        for moment in range(4):
            torch.testing.assert_close(stream(x), plain(x))
            if moment == 1:
                change(cell.held)


NAMES: dict[str, tuple[type[Base], Callable[[], None], Callable[[], None]]] = {
    "global": (Global, lambda: set_global("SCALE", 2.0), lambda: set_global("SCALE", 1.0)),
    "global of a helper": (
        GlobalInHelper, lambda: set_global("SCALE", 2.0), lambda: set_global("SCALE", 1.0)
    ),
    "global list": (GlobalList, lambda: set_item(0, 2.0)(TABLE), lambda: set_item(0, 1.0)(TABLE)),
    "global tensor": (
        GlobalTensor,
        lambda: set_global("WEIGHT", torch.full((4,), 2.0)),
        lambda: set_global("WEIGHT", torch.ones(4)),
    ),
    "global by its name": (
        GlobalByName, lambda: set_global("SCALE", 2.0), lambda: set_global("SCALE", 1.0)
    ),
    **{
        f"setting of a module, {kind.__name__}": (
            kind,
            lambda: setattr(SETTINGS_MODULE, "scale", 2.0),
            lambda: setattr(SETTINGS_MODULE, "scale", 1.0),
        )
        for kind in (Imported, ImportedName, Named)
    },
    "closure": (Closed, lambda: WRITE(2.0), lambda: WRITE(1.0)),
    "class attribute": (
        ClassAttribute,
        lambda: setattr(Base, "kind_factor", 2.0),
        lambda: setattr(Base, "kind_factor", 1.0),
    ),
    "patched method": (
        Base,
        lambda: setattr(Base, "factor", lambda self: 2.0),
        lambda original=Base.factor: setattr(Base, "factor", original),
    ),
    "patched helper": (
        GlobalInHelper,
        lambda: set_global("scaled", lambda x: x * 3),
        lambda original=scaled: set_global("scaled", original),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(NAMES))
def test_what_code_names(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "settings_of_a_test", SETTINGS_MODULE)
    kind, change, back = NAMES[name]
    cell, xs = kind(), torch.randn(4, 2, 3)
    stream, plain = Recursor(cell), Recursor(cell, backend="eager")
    same(cell, xs)
    with torch.no_grad():
        torch.testing.assert_close(stream(xs[0]), plain(xs[0]))
    change()
    try:
        same(cell, xs)
        with torch.no_grad():
            torch.testing.assert_close(stream(xs[1]), plain(xs[1]))
    finally:
        back()


def test_a_global_of_an_attributes_name_is_nothing_to_the_step() -> None:
    cell = Attribute([1.0], lambda held: held[0])
    call = Call(cell, torch.randn(4, 2, 3), cell.initial_state(2))
    before = identify(call).key
    set_global("held", 1.0)
    try:
        assert identify(call).key == before
    finally:
        del globals()["held"]


def test_a_step_that_reads_its_own_cell_as_a_global() -> None:
    class Reading(Base):
        def factor(self) -> Any:
            return THE_CELL.w.bias

    cell = Reading()
    set_global("THE_CELL", cell)
    try:
        same(cell, torch.randn(4, 2, 3))
        cell.w.bias.data.mul_(2)
        same(cell, torch.randn(4, 2, 3))
    finally:
        set_global("THE_CELL", None)


@pytest.mark.parametrize("numbers", [(1, True), (1, 1.0), (0.0, -0.0), (True, 1.0)])
def test_equal_numbers_of_other_kinds(numbers: tuple[Any, Any]) -> None:
    a, b = (Attribute(number, lambda n: n) for number in numbers)
    call = [Call(cell, torch.randn(4, 2, 3), cell.initial_state(2)) for cell in (a, b)]
    assert identify(call[0]).key != identify(call[1]).key


def test_tensors_in_a_tuple_are_each_cells_own() -> None:
    class Reservoir(Cell):
        def __init__(self) -> None:
            super().__init__()
            self.weights = (torch.randn(3, 4), torch.randn(4, 4))

        def initial_state(self, batch_size: int, *, dtype: Any = None, device: Any = None) -> Any:
            return torch.zeros(batch_size, 4)

        def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(x @ self.weights[0] + h @ self.weights[1])
            return h, h

    xs = torch.randn(4, 2, 3)
    for cell in (Reservoir(), Reservoir()):
        same(cell, xs)


def test_one_tensor_under_two_names_is_one() -> None:
    class Tied(Base):
        def __init__(self, tied: bool) -> None:
            super().__init__()
            self.u = nn.Linear(3, 4)
            if tied:
                self.u.weight = self.w.weight

        def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(self.w(x) + self.u(x) + h)
            return h, h

    xs = torch.randn(4, 2, 3)
    for tied in (True, False):
        same(Tied(tied), xs)


class Branching(Base):
    """A step that does something else where a condition holds that no operation shows."""

    def __init__(self, condition: Callable[[Tensor, Tensor], bool]) -> None:
        super().__init__()
        self.condition = condition

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.w(x) + h)
        return (h * 2, h) if self.condition(x, h) else (h, h)


CONDITIONS: dict[str, Callable[[Tensor, Tensor], bool]] = {
    "one row": lambda x, h: x.shape[0] == 1,
    "grad mode": lambda x, h: torch.is_grad_enabled(),
    "requires grad": lambda x, h: h.requires_grad,
    "equal": lambda x, h: torch.equal(h, torch.zeros_like(h)),
    "python noise": lambda x, h: random.random() < 0.5,
    "numpy noise": lambda x, h: np.random.rand() < 0.5,
    "a number": lambda x, h: float(h.detach().sum()) > 0,
    "default dtype": lambda x, h: torch.get_default_dtype() == torch.float64,
}


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_conditions(name: str) -> None:
    cell = Branching(CONDITIONS[name])
    for rows in (2, 1, 3):
        for grad in (True, False):
            xs = torch.randn(4, rows, 3)
            with torch.set_grad_enabled(grad):
                found = []
                for backend in ("eager", "auto"):
                    torch.manual_seed(0)
                    random.seed(0)
                    np.random.seed(0)
                    found.append(ostinato.unroll(cell, xs, backend=backend)[0])
            torch.testing.assert_close(*found)


def test_a_condition_on_the_default_dtype() -> None:
    cell, xs = Branching(CONDITIONS["default dtype"]).double(), torch.randn(4, 2, 3).double()
    same(cell, xs)
    torch.set_default_dtype(torch.float64)
    try:
        same(cell, xs)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_condition_on_one_row_is_refused_for_one_row_only() -> None:
    cell = Branching(CONDITIONS["one row"])
    ostinato.unroll(cell, torch.randn(4, 2, 3), backend="fused")
    with pytest.raises(BackendError, match="a batch of one row"):
        ostinato.unroll(cell, torch.randn(4, 1, 3), backend="fused")


@pytest.mark.parametrize(
    "make", [lambda: cells.LSTM(3, 4), lambda: cells.GRU(3, 4, layer_norm=True), Base],
)  # fmt: skip
def test_copies_and_new_instances_share_a_recording(make: Callable[[], Cell]) -> None:
    first, xs = make(), torch.randn(4, 2, 3)
    ostinato.unroll(first, xs, backend="fused")
    before = len(FUSED.recordings.known)
    for cell in (make(), copy.deepcopy(first), make()):
        ostinato.unroll(cell, xs, backend="fused")
    assert len(FUSED.recordings.known) == before


def test_other_tensors_of_a_module_in_a_list_are_found_again() -> None:
    class Hidden(Base):
        def __init__(self) -> None:
            super().__init__()
            self.layers = [nn.Linear(4, 4), nn.Linear(4, 4)]

        def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(self.w(x) + self.layers[1](F.relu(self.layers[0](h))))
            return h, h

    cell, xs = Hidden(), torch.randn(4, 2, 3)
    same(cell, xs)
    cell.layers[0] = nn.Linear(4, 4)
    same(cell, xs)
    ys, _ = ostinato.unroll(cell, xs, backend="fused")
    (grad,) = torch.autograd.grad(ys.sum(), cell.layers[0].weight)
    want, _ = ostinato.unroll(cell, xs, backend="eager")
    torch.testing.assert_close(grad, torch.autograd.grad(want.sum(), cell.layers[0].weight)[0])
