"""Batches: every sample in its turn, the last ones as asked, near lengths together."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from ostinato.data import Batches, BatchSettings, Samples
from ostinato.data.batches import side_by_side
from ostinato.errors import ArgumentError


def batches(count: int, size: int, *, seed: int = 0, lengths=None, **settings) -> Batches:
    lengths = torch.ones(count, dtype=torch.int64) if lengths is None else lengths
    made = Samples(torch.zeros(int(lengths.sum())), lengths, torch.arange(count))
    return Batches(made, BatchSettings(batch_size=size, **settings), seed=seed)


def numbers(made: Batches, epoch: int = 0) -> list[int]:
    return [int(number) for batch in made.batches(epoch) for number in batch.targets]


@given(
    count=st.integers(1, 40),
    size=st.integers(1, 9),
    bucket=st.integers(1, 4),
    shuffle=st.booleans(),
    epoch=st.integers(0, 3),
)
def test_no_sample_is_lost(count, size, bucket, shuffle, epoch) -> None:
    lengths = torch.randint(0, 7, (count,))
    made = batches(count, size, lengths=lengths, bucket=bucket, shuffle=shuffle)
    assert sorted(numbers(made, epoch)) == list(range(count))
    assert len(list(made.batches(epoch))) == len(made)
    for batch in made.batches(epoch):
        found = lengths[batch.targets]
        assert batch.xs.shape[0] == found.max()
        assert batch.lengths is None or torch.equal(batch.lengths, found)


def test_an_epoch_depends_on_the_seed_and_its_number() -> None:
    made = batches(30, 7, bucket=2)
    assert numbers(made, 1) == numbers(made, 1)
    assert numbers(made, 1) != numbers(made, 2)
    assert numbers(made, 1) != numbers(batches(30, 7, bucket=2, seed=1), 1)


@pytest.mark.parametrize("last", ["keep", "drop", "pad", "roll"])
def test_a_later_start_gives_the_rest_of_the_same_epoch(last: str) -> None:
    made = batches(30, 7, last=last)
    whole = [batch.targets.tolist() for batch in made.batches(2)]
    assert [batch.targets.tolist() for batch in made.batches(2, start=2)] == whole[2:]


def test_drop_leaves_out_others_in_each_epoch() -> None:
    made = batches(10, 4, last="drop")
    assert len(made) == 2
    left_out = [frozenset(range(10)) - set(numbers(made, epoch)) for epoch in range(8)]
    assert all(len(each) == 2 for each in left_out)
    assert len(set(left_out)) > 2


def test_pad_repeats_the_first_of_the_epoch_and_says_how_many() -> None:
    made = batches(10, 4, last="pad", shuffle=False)
    assert numbers(made) == [*range(10), 0, 1]
    assert made.padding == 2
    assert batches(10, 4).padding == 0
    assert numbers(batches(2, 5, last="pad", shuffle=False)) == [0, 1, 0, 1, 0]


@given(count=st.integers(1, 30), size=st.integers(1, 9), shuffle=st.booleans())
def test_roll_reads_all_passes_one_after_another(count, size, shuffle) -> None:
    if size > count:
        return
    made = batches(count, size, last="roll", shuffle=shuffle)
    stream = [number for epoch in range(6) for number in numbers(made, epoch)]
    assert len(stream) == 6 * len(made) * size
    passes = [stream[first : first + count] for first in range(0, len(stream), count)]
    assert all(sorted(each) == list(range(count)) for each in passes if len(each) == count)


def test_a_bucket_makes_lengths_near() -> None:
    lengths = torch.randint(1, 100, (400,))

    def padding(bucket: int) -> int:
        made = batches(400, 10, lengths=lengths, bucket=bucket)
        return sum(
            batch.xs.numel() - int(lengths[batch.targets].sum()) for batch in made.batches(0)
        )

    assert padding(40) < 0.1 * padding(1)
    assert padding(8) < 0.4 * padding(1)
    # and the short batches do not all come first
    longest = [len(b.xs) for b in batches(400, 10, lengths=lengths, bucket=40).batches(0)]
    assert longest != sorted(longest)


def test_rows_are_a_batch_sampler_for_torch() -> None:
    made = batches(10, 4)
    dataset = TensorDataset(torch.arange(10))
    loader = DataLoader(dataset, batch_sampler=made.rows(3))  # type: ignore[arg-type]
    assert [int(number) for (batch,) in loader for number in batch] == numbers(made, 3)


def test_too_few_samples_are_refused() -> None:
    for last in ("drop", "roll"):
        with pytest.raises(ArgumentError, match="batch_size: wanted a batch that 3 samples"):
            batches(3, 4, last=last)
    with pytest.raises(ArgumentError, match="batch_size"):
        batches(0, 4)


def test_padding_has_one_place() -> None:
    with pytest.raises(ArgumentError, match="bucket: wanted 1 with `last=pad`"):
        batches(10, 4, last="pad", bucket=2)


@pytest.mark.parametrize(
    ("lengths", "wanted"),
    [
        ([1, 1, 1, 1, 1, 1, 1], [[0, 1, 2], [3, 4, 5], [6]]),
        ([4, 4, 4, 4], [[0, 1], [2, 3]]),
        ([1, 1, 50, 1, 1], [[0, 1], [2], [3, 4]]),
        ([50], [[0]]),
        ([0, 0], [[0, 1]]),
        ([], []),
    ],
)
def test_long_sequences_are_judged_with_few_beside_them(lengths, wanted) -> None:
    found = side_by_side(torch.tensor(lengths, dtype=torch.int64), 3, 10)
    assert [rows.tolist() for rows in found] == wanted
