"""Trees of tensors."""

from __future__ import annotations

import pytest
import torch

from catalogue import Averages
from ostinato import _tree
from ostinato.errors import StateError

A, B = torch.zeros(2), torch.ones(3)
TREE = {"h": (A, B), "c": Averages(B, A), "e": ()}


def test_paths_are_python_and_dicts_in_the_order_of_keys() -> None:
    assert [path for path, _ in _tree.paths(TREE, "state")] == [
        "state['c'].fast", "state['c'].slow", "state['h'][0]", "state['h'][1]",
    ]  # fmt: skip
    state = TREE  # the paths name what they say
    for path, leaf in _tree.paths(TREE, "state"):
        assert eval(path, {"state": state}) is leaf
    assert [
        leaf is got for (_, leaf), got in zip(_tree.paths(TREE), _tree.leaves(TREE), strict=True)
    ]
    assert _tree.leaves(A) == [A]


def test_map_keeps_the_form() -> None:
    turned = {"e": (), "c": Averages(B, A), "h": (A, B)}
    doubled = _tree.map(lambda a, b: a + b, TREE, turned)
    assert type(doubled["c"]) is Averages
    assert torch.equal(doubled["h"][1], 2 * B)
    assert torch.equal(doubled["c"].fast, 2 * B)
    assert doubled["e"] == ()
    with pytest.raises(ValueError, match="shorter"):
        _tree.map(lambda a, b: a, (A, B), (A,))


def test_describe() -> None:
    said = "{'c': Averages(fast=[3], slow=[2]), 'e': (), 'h': ([2], [3])}"
    assert _tree.describe(TREE) == said
    assert _tree.describe((A,)) == "([2],)"
    assert _tree.describe(None) == "NoneType"


@pytest.mark.parametrize(
    ("got", "said"),
    [
        (TREE, None),
        ({**TREE, "h": (A, A)}, "s['h'][1]: wanted shape [3], got [2]"),
        ({**TREE, "h": (A.long(), B)}, "s['h'][0]: wanted dtype torch.float32, got torch.int64"),
        ({**TREE, "c": (B, A)}, "s['c']: wanted Averages(fast=[3], slow=[2]), got ([3], [2])"),
        ({**TREE, "h": [A, B]}, "s['h']: wanted ([2], [3]), got list"),
        ({"h": (A, B)}, f"s: wanted {_tree.describe(TREE)}, got {{'h': ([2], [3])}}"),
        (None, f"s: wanted {_tree.describe(TREE)}, got NoneType"),
    ],
)
def test_mismatch(got: object, said: str | None) -> None:
    found = _tree.mismatch(TREE, got, "s")
    assert (found and str(found)) == said


def test_other_leaves_are_refused() -> None:
    with pytest.raises(StateError, match=r"s\[1\]: wanted a tensor.*got list\. Use a tuple"):
        _tree.paths((A, [A]), "s")
