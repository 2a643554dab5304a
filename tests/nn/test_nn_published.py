"""Models of published packages give the same results and gradients after `swap`.

They are run where their packages are installed, which no test environment of the project does.
"""

from __future__ import annotations

import pytest

from benchmarks.published import MODELS, furthest, pair, training_step
from ostinato.nn import swap
from ostinato.nn.swap import is_swapped


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("name", list(MODELS))
def test_equal(name: str) -> None:
    try:
        theirs, ours, step, count = pair(MODELS[name])
    except ImportError as error:
        pytest.skip(f"{name} is no dependency of the project: {error}")
    assert count == sum(map(is_swapped, ours.modules())) > 0
    want = training_step(theirs, step)
    assert furthest(training_step(ours, step), want) < 1e-4
    swap(ours).undo()
    assert not any(map(is_swapped, ours.modules()))
    assert furthest(training_step(ours, step), want) < 1e-4
