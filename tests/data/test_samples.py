"""Samples: nothing is lost between padded and joined, and rows are taken right."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ostinato.data import Batch, Samples
from ostinato.errors import ShapeError

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=8)


def samples(lengths: list[int], *, per_step: bool = False) -> Samples:
    """Steps are their own places, plus one; the target of a sequence is its number."""
    total = sum(lengths)
    targets = torch.arange(1, total + 1) * 10 if per_step else torch.arange(len(lengths))
    return Samples(torch.arange(1, total + 1), torch.tensor(lengths), targets, per_step)


@given(lengths=LENGTHS, per_step=st.booleans())
def test_to_a_batch_and_back(lengths: list[int], per_step: bool) -> None:
    made = samples(lengths, per_step=per_step)
    batch = made.take(torch.arange(len(made)))
    assert batch.xs.shape == (max(lengths), len(lengths))
    assert not batch.xs[~batch.mask].any()
    again = Samples.of(batch)
    assert torch.equal(again.steps, made.steps)
    assert torch.equal(again.lengths, made.lengths)
    assert torch.equal(again.targets, made.targets)


@given(lengths=LENGTHS, data=st.data(), per_step=st.booleans())
def test_some_rows(lengths: list[int], data, per_step: bool) -> None:
    made = samples(lengths, per_step=per_step)
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(lengths) - 1))), dtype=torch.int64)
    chosen = made[rows]
    assert len(chosen) == len(rows)
    starts = made.starts.tolist()
    wanted = [made.steps[starts[r] : starts[r] + lengths[r]] for r in rows.tolist()]
    assert chosen.steps.tolist() == [x for steps in wanted for x in steps.tolist()]
    if per_step:
        assert torch.equal(chosen.targets, chosen.steps * 10)
    else:
        assert torch.equal(chosen.targets, rows)


def test_a_batch_is_as_long_as_its_longest_row() -> None:
    batch = samples([1, 5, 2], per_step=True).take(torch.tensor([2, 0]))
    assert batch.xs.tolist() == [[7, 1], [8, 0]]
    assert batch.targets.tolist() == [[70, 10], [80, 0]]
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [2, 1]


def test_equal_lengths_need_no_mask() -> None:
    xs = torch.randn(4, 3, 2)
    made = Samples.of(Batch(xs, torch.arange(3)))
    batch = made.take(torch.tensor([2, 0]))
    assert batch.lengths is None
    assert torch.equal(batch.xs, xs[:, [2, 0]])


def test_slices() -> None:
    made = samples([1, 2, 3])
    assert made[1:].steps.tolist() == [2, 3, 4, 5, 6]
    assert len(made[:0]) == 0
    assert len(made[:0].take(torch.arange(0))) == 0


def test_a_split_keeps_all_and_depends_on_the_seed_alone() -> None:
    made = samples([1] * 50)
    train, held_out = made.split(0.2, seed=3)
    assert (len(train), len(held_out)) == (40, 10)
    assert sorted([*train.steps.tolist(), *held_out.steps.tolist()]) == list(range(1, 51))
    assert torch.equal(made.split(0.2, seed=3)[1].steps, held_out.steps)
    assert not torch.equal(made.split(0.2, seed=4)[1].steps, held_out.steps)
    assert len(made.split(0.001)[1]) == 1


@pytest.mark.parametrize(
    ("steps", "targets", "per_step", "argument"),
    [(5, 2, False, "steps"), (6, 3, False, "targets"), (6, 2, True, "targets")],
)
def test_sizes_that_disagree(steps: int, targets: int, per_step: bool, argument: str) -> None:
    with pytest.raises(ShapeError, match=argument):
        Samples(torch.zeros(steps), torch.tensor([2, 4]), torch.zeros(targets), per_step)


def classes(*counts: int) -> Samples:
    """Sequences of one step, so many of each class."""
    targets = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    return Samples.of(Batch(torch.arange(len(targets))[None], targets))


@pytest.mark.parametrize(
    ("counts", "share", "wanted"),
    [
        ((100, 10), 0.2, [20, 2]),
        ((197, 3), 0.2, [39, 1]),
        ((50, 2), 0.1, [5, 1]),
        ((4, 4), 0.9, [3, 3]),  # never all of a class
        ((60,), 0.2, [12]),
        ((2, 2), 0.001, [1, 1]),
    ],
)
def test_a_stratified_split(counts: tuple[int, ...], share: float, wanted: list[int]) -> None:
    train, held_out = classes(*counts).split(share, seed=3, stratified=True)
    assert torch.bincount(held_out.targets).tolist() == wanted
    both = torch.cat([train.steps, held_out.steps])
    assert both.sort().values.tolist() == list(range(sum(counts)))
    again = classes(*counts).split(share, seed=3, stratified=True)
    assert torch.equal(again[1].steps, held_out.steps)
    other = classes(*counts).split(share, seed=4, stratified=True)
    assert sum(counts) < 5 or not torch.equal(torch.cat([part.steps for part in other]), both)


def test_classes_of_one_are_a_class_together() -> None:
    train, held_out = classes(*[1] * 50, 50).split(0.2, stratified=True)
    assert len(held_out) == 20
    assert (held_out.targets < 50).sum() == 10
    train, held_out = classes(9, 1).split(0.2, stratified=True)
    assert (len(train), held_out.targets.tolist()) == (8, [0, 0])


def test_long_sequences_are_cut() -> None:
    assert samples([3, 0, 5]).cut(3).steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert samples([3, 0, 5]).cut(3).lengths.tolist() == [3, 0, 3]
    assert samples([3, 0, 5]).cut(3).targets.tolist() == [0, 1, 2]
    assert samples([3, 5], per_step=True).cut(4).targets.tolist() == [10, 20, 30, 40, 50, 60, 70]
