"""Several processes that train one model together, each on a part of every batch.

Whoever starts them (``torchrun``, ``accelerate launch``) tells each its number in the environment
(``RANK``, ``WORLD_SIZE``), and torch.distributed carries the gradients. The weights are the same
in all of them after each step, so the first one alone measures, writes and shows.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, final

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ostinato import _tree
from ostinato.data.batch import Batch
from ostinato.data.pairs import PairBatch
from ostinato.data.windows import Window
from ostinato.errors import ArgumentError
from ostinato.train.errors import LostError
from ostinato.typing import State

Split = Callable[[Any, int, int], tuple[Any, float]]
"""``split(batch, number, count)``: the part of one process, and how much of the loss it is."""


@final
class Processes:
    """This process among those that train together; alone unless a launcher started it.

    ``number`` counts from 0, which is the main one, to ``count - 1``.
    """

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.number = int(os.environ.get("RANK", "0")) if self.count > 1 else 0
        if self.count > 1 and not dist.is_initialized():
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            with self._together():
                dist.init_process_group()  # gloo for tensors on the CPU, NCCL for those on CUDA
            atexit.register(_leave)
        self._shared: list[bool] = []

    @property
    def main(self) -> bool:
        """Whether this is the one that measures, writes and shows."""
        return self.number == 0

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Within the block processes talk; LostError where one of them does not answer."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            raise LostError(
                "processes",
                wanted=f"an answer from each of {self.count} processes",
                got=f"none, in process {self.number}: another one has ended or hangs",
                remedy="Its own last words say why.",
            ) from error

    def average(self, weights: Iterable[nn.Parameter], loss: Tensor, share: float) -> Tensor:
        """Put the mean gradient of all processes in each; the mean loss, a scalar.

        Each counts by its share of the batch. One message carries everything.
        """
        if self.count == 1:
            return loss.detach()
        weights = list(weights)
        told = [_gradient(weight).flatten() for weight in weights]
        message = torch.cat([*told, loss.new_ones(1), loss.detach().flatten()]) * share
        with self._together():
            dist.all_reduce(message)
        *gradients, total, summed = message.split([*map(len, told), 1, 1])
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = (gradient / total).view_as(weight).to(weight.dtype)
        return (summed / total).squeeze()

    def any(self, here: bool) -> bool:
        """Whether it is true in any process: the same answer in all of them."""
        if self.count == 1:
            return here
        told = torch.tensor(float(here))
        with self._together():
            dist.all_reduce(told)
        return bool(told > 0)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.count > 1:
            with self._together():
                dist.barrier()

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes, in each of them."""
        values: list[Any] = [value]
        if self.count > 1:
            values = [None] * self.count
            with self._together():
                dist.all_gather_object(values, value)
        return values

    def told(self, value: Any) -> Any:
        """What the main process gives here, in each of them."""
        if self.count == 1:
            return value
        values = [value]
        with self._together():
            dist.broadcast_object_list(values, src=0)
        return values[0]

    def agree(self, module: nn.Module) -> None:
        """Give all processes the weights and buffers of the main one."""
        if self.count > 1:
            with self._together():
                for value in module.state_dict().values():
                    dist.broadcast(value, src=0)

    def rows(self, state: State) -> State:
        """This process's rows of a state [B, ...]; what all rows share stays."""
        if self.count == 1:
            return state
        self._shared = [leaf.shape[0] == 1 for leaf in _tree.leaves(state)]
        return _tree.map(lambda leaf: leaf[_part(leaf.shape[0], self.number, self.count)], state)

    def join(self, state: State) -> list[Tensor]:
        """The leaves of the state of the whole batch, of which each process has its `rows`."""
        if self.count == 1:
            return _tree.leaves(state)
        parts = self.gather([leaf.cpu() for leaf in _tree.leaves(state)])
        leaves = zip(*parts, strict=True)
        return [
            each[0] if shared else torch.cat(each)
            for each, shared in zip(leaves, self._shared, strict=True)
        ]


def split_rows(batch: Any, number: int, count: int) -> tuple[Any, float]:
    """A process's rows of a batch as this library has them, and their number.

    A `Batch`, or a tree of tensors: [T, B, ...] are cut along B, their second dimension, and
    vectors [B] along their only one. A batch with targets for each step counts by its steps, and a
    `Window` or a `PairBatch` by what is wanted, as a mean over all of it does; a loss that is
    another kind of sum (such as one of means, one for each step, over rows of unlike lengths) comes
    out near that of one process. Raises ArgumentError for fewer rows than processes, and where the
    tensors have different numbers of rows.
    """
    if isinstance(batch, Batch):
        return _split_batch(batch, number, count)
    if isinstance(batch, list):
        batch = tuple(batch)
    rows = [leaf.shape[min(1, leaf.dim() - 1)] for leaf in _tree.leaves(batch)]
    if len(set(rows)) != 1:
        raise ArgumentError(
            "split",
            wanted="a rule for this batch, as tensors [T, B, ...] and [B] have one B",
            got=_tree.describe(batch),
            remedy="Use split_first for tensors [B, ...], or a function of your own.",
        )
    part = _rows_of(rows[0], number, count)
    cut = _tree.map(lambda leaf: leaf[part] if leaf.dim() == 1 else leaf[:, part], batch)
    share = cut.wanted.sum() if isinstance(cut, PairBatch | Window) else part.stop - part.start
    return cut, float(share)


def split_first(batch: Any, number: int, count: int) -> tuple[Any, float]:
    """As `split_rows`, for trees of tensors [B, ...], rows first, as plain modules take them."""
    if isinstance(batch, list):
        batch = tuple(batch)
    part = _rows_of(len(_tree.leaves(batch)[0]), number, count)
    return _tree.map(lambda leaf: leaf[part], batch), part.stop - part.start


def _split_batch(batch: Batch, number: int, count: int) -> tuple[Batch, float]:
    part = _rows_of(len(batch), number, count)
    targets = batch.targets[:, part] if batch.per_step else batch.targets[part]
    lengths = None if batch.lengths is None else batch.lengths[part]
    mine = Batch(batch.xs[:, part], targets, lengths, batch.per_step)
    return mine, float(mine.mask.sum() if batch.per_step else len(mine))


def _rows_of(rows: int, number: int, count: int) -> slice:
    if rows >= count:
        return _cut(rows, number, count)
    raise ArgumentError(
        "batch_size",
        wanted=f"at least a row for each of {count} processes",
        got=f"a batch of {rows}",
        remedy="Use larger batches or fewer processes; a last batch may be small: `last=drop`.",
    )


def _cut(rows: int, number: int, count: int) -> slice:
    return slice(rows * number // count, rows * (number + 1) // count)


def _part(rows: int, number: int, count: int) -> slice:
    # A leading 1 is shared by all rows: fewer rows than processes are refused before.
    return slice(None) if rows == 1 else _cut(rows, number, count)


def _gradient(weight: nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
