"""The drop-ins give torch.nn's results: output, last state and all gradients."""

from __future__ import annotations

import pytest
import torch
from beside_torch import CHOICES, Case, covering, ids, inputs, pair, results
from torch.nn.utils.rnn import PackedSequence

import ostinato
from conformance.scenario import TOLERANCE, assert_same

# all combinations of four choices on torch's kernels, of three in the slower Python loop
AUTO, EAGER = covering(4), covering(3)

pytestmark = pytest.mark.filterwarnings(
    # torch.nn itself; the drop-ins do not call that kernel
    "ignore:LSTM with projections is not supported with oneDNN:UserWarning"
)


def check(case: Case) -> None:
    theirs, ours = pair(case)
    x, hx = inputs(case)
    assert_same(results(ours, x, hx), results(theirs, x, hx), TOLERANCE[case.dtype])


@pytest.mark.parametrize("case", AUTO, ids=ids(AUTO))
def test_auto(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", EAGER, ids=ids(EAGER))
def test_eager(case: Case) -> None:
    with ostinato.backend("eager"):
        check(case)


def test_the_cases_cover_every_choice() -> None:
    for cases in (AUTO, EAGER):
        for choice, values in CHOICES.items():
            assert {getattr(case, choice) for case in cases} == set(values)
    assert any(c.form == "unsorted" and c.kind == "lstm" and c.bidirectional for c in AUTO)


@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_keeps_its_form(batch_first: bool) -> None:
    case = Case(form="unsorted", num_layers=2, bidirectional=True)
    x, _ = inputs(case)
    theirs, ours = pair(case, batch_first=batch_first)
    (got, _), (want, _) = ours(x), theirs(x)
    assert isinstance(got, PackedSequence)
    for field in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        assert torch.equal(getattr(got, field), getattr(want, field))


def test_packed_in_an_order_of_its_own() -> None:
    """Rows of one length may stand in any order: the indices of the input are what counts."""
    x, _ = inputs(Case(form="unsorted"))
    swapped = x.sorted_indices[[0, 2, 1, 3]]
    x = PackedSequence(x.data, x.batch_sizes, swapped, torch.argsort(swapped))
    case = Case(form="unsorted", given=True)
    theirs, ours = pair(case)
    _, hx = inputs(case)
    assert_same(results(ours, x, hx), results(theirs, x, hx), 1e-10)


@pytest.mark.parametrize("kind", CHOICES["kind"])
def test_outside_training_and_without_gradients(kind: str) -> None:
    theirs, ours = pair(Case(kind=kind, num_layers=2, bidirectional=True), dropout=0.5)
    x, _ = inputs(Case())
    with torch.no_grad():
        (y, _), (want, _) = ours.eval()(x), theirs.eval()(x)
    torch.testing.assert_close(y, want, rtol=0, atol=1e-12)


def test_the_backend_of_the_block_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    kernel = torch.lstm
    monkeypatch.setattr(torch, "lstm", lambda *a: calls.append(1) or kernel(*a))
    _, ours = pair(Case(num_layers=2, bidirectional=True))
    x, _ = inputs(Case())
    with ostinato.backend("eager"):
        ours(x)
    assert not calls
    with ostinato.backend("aten"):
        ours(x)
    assert len(calls) == 4
