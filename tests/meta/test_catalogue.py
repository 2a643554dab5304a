"""Nothing public is left out of the tests that go through the catalogue."""

import inspect

import ostinato
from catalogue import ENTRIES
from ostinato import Cell, cells, combine


def concrete(module: object, names: list[str]) -> set[type[Cell]]:
    found = [made for name in names if inspect.isclass(made := getattr(module, name))]
    return {c for c in found if issubclass(c, Cell) and not inspect.isabstract(c)}


def test_every_cell_and_combinator_has_an_entry() -> None:
    wanted = concrete(cells, cells.__all__) | concrete(combine, combine.__all__)
    assert {cells.LSTM, ostinato.Stack} <= wanted
    missing = wanted - {type(entry.make()) for entry in ENTRIES}
    assert not missing, f"no entry in tests/catalogue.py for {missing}"


def test_every_cell_at_the_root_has_an_entry() -> None:
    public = [getattr(ostinato, name) for name in ostinato.__all__]
    cell_classes = {c for c in public if inspect.isclass(c) and issubclass(c, Cell)}
    made = {type(entry.make()) for entry in ENTRIES}
    assert {c for c in cell_classes if not inspect.isabstract(c)} <= made


def test_combinators_are_exported_at_the_root() -> None:
    assert set(combine.__all__) <= set(ostinato.__all__)


def test_names_are_unique() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
