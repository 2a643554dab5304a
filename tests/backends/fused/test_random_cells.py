"""Random cells from the operations that the compiler knows, against eager."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from compare import assert_equal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from operations import ACTIVATIONS, ARITHMETIC, FEATURES, LAYOUT, Function
from steps import Step
from torch import Tensor

KNOWN = ACTIVATIONS | ARITHMETIC | FEATURES | LAYOUT
# these have kinks or poles where a sum of several functions may land
ROUGH = ("sign", "two to the", "exp", "expm1", "max", "min", "amax")
SMOOTH = sorted(name for name in KNOWN if name not in ROUGH)
JOINS: dict[str, object] = {
    "add": torch.add,
    "mul": torch.mul,
    "gate": lambda a, b: torch.sigmoid(a) * b,
    "mix": lambda a, b: torch.lerp(a, b, 0.25),
}


@st.composite
def recipes(draw: st.DrawFn) -> list[tuple[str, str, int, int]]:
    """A list of (function, join, operand, product or not), each making a value of earlier ones."""
    names = st.sampled_from(SMOOTH)
    joins = st.sampled_from(sorted(JOINS))
    count = draw(st.integers(1, 4))
    return [
        (draw(names), draw(joins), draw(st.integers(0, i + 1)), draw(st.integers(0, 3)))
        for i in range(count)
    ]


def build(recipe: list[tuple[str, str, int, int]]) -> Function:
    """The step that a recipe describes."""

    def step(p: Step, x: Tensor, h: Tensor) -> Tensor:
        values = [h, F.linear(x, p.u, p.b)]
        for name, join, operand, product in recipe:
            made = KNOWN[name](torch.tanh(values[-1]) * 0.8 + 0.05)
            if product == 0:
                made = F.linear(made, p.w)
            values.append(JOINS[join](made, values[operand]))
        return torch.tanh(values[-1]) * 0.9

    return step


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(recipe=recipes(), masked=st.booleans())
def test_random_cell(recipe: list[tuple[str, str, int, int]], masked: bool) -> None:
    torch.manual_seed(2)
    cell = Step(build(recipe), u=(6, 4), b=(6,), w=(6, 6)).double()
    xs = torch.randn(5, 3, 4, dtype=torch.float64, requires_grad=True)
    state = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    options = {"lengths": [2, 5, 0]} if masked else {}
    assert_equal(cell, xs, state, **options)
