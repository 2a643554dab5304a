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
