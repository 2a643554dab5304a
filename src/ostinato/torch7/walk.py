"""Which cells a module is made of, in order, and which layout each of them has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ostinato.cell import Cell, check_any_module
from ostinato.errors import ArgumentError, DtypeError
from ostinato.torch7.layouts import KINDS, LAYOUTS, Layout


@dataclass(frozen=True)
class Place:
    """A cell with its layout, or a single parameter of another module, by its path."""

    path: str
    cell: Cell | None = None
    layout: Layout | None = None
    parameter: Tensor | None = None


def places(module: nn.Module, layouts: Sequence[str]) -> Iterator[Place]:
    """Everything that takes tensors, in the order in which the old model lists them."""
    check_any_module("module", module)
    for name in layouts:
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DtypeError(
                "layouts",
                wanted="names, such as 'nn.LSTM'",
                got=repr(name),
                remedy="Several are arguments, one after another.",
            )
    cells = [m for m in module.modules() if isinstance(m, KINDS)]
    names = list(layouts) * (len(cells) if len(layouts) == 1 and cells else 1)
    if len(names) != len(cells):
        raise ArgumentError(
            "layouts",
            wanted=f"one name, or one for each of the {len(cells)} cells"
            if cells
            else f"no name, as {type(module).__name__} has no cell with a layout",
            got=", ".join(map(repr, layouts)) or "none",
            remedy="The names are the keys of ostinato.torch7.LAYOUTS.",
        )
    chosen = {id(c): choose(c, name) for c, name in zip(cells, names, strict=True)}

    def visit(inner: nn.Module, path: str) -> Iterator[Place]:
        if id(inner) in chosen:
            assert isinstance(inner, Cell)
            yield Place(path, inner, chosen[id(inner)])
            return
        for name, parameter in inner.named_parameters(recurse=False):
            yield Place(joined(path, name), parameter=parameter)
        for name, child in inner.named_children():
            yield from visit(child, joined(path, name))

    return visit(module, "")


def joined(path: str, name: str) -> str:
    """The path of a name within a module."""
    return f"{path}.{name}" if path else name


def choose(cell: Cell, name: str) -> Layout:
    """The layout of this name for a cell. ArgumentError where the old class is another cell."""
    if name not in LAYOUTS:
        raise ArgumentError(
            "layouts",
            wanted=f"one of {', '.join(map(repr, LAYOUTS))}",
            got=repr(name),
            remedy="It is the class of the old cell.",
        )
    for layout in LAYOUTS[name]:
        if isinstance(cell, layout.kind) and suits(layout, cell):
            return layout
    raise ArgumentError(
        "module",
        wanted=" or ".join(layout.here for layout in LAYOUTS[name]) + f", which {name} is",
        got=repr(cell),
        remedy="Make the cell so, with biases, and without what the old one lacks.",
    )


def suits(layout: Layout, cell: Cell) -> bool:
    """Whether the cell was made as the layout wants, and has its parameters and no others."""
    if any(getattr(cell, option) != value for option, value in layout.options.items()):
        return False
    ours = {name for name, _ in cell.named_parameters()}
    theirs = {name for part in layout.variants(cell)[0] for name in part.names}
    return theirs <= ours <= theirs | set(layout.unused)
