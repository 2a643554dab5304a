"""The copy problem: repeat symbols after a long silence."""

from __future__ import annotations

import torch

from ostinato.data.batch import Batch
from ostinato.errors import ArgumentError


def copy_memory(
    count: int, gap: int = 100, *, symbols: int = 8, num_copied: int = 10, seed: int = 0
) -> Batch:
    """xs and targets, ids [gap + 2 * num_copied, N], of ``count`` problems, a target for each step.

    A row shows ``num_copied`` symbols (0 to ``symbols`` - 1), ``gap`` - 1 blanks (id ``symbols``),
    a delimiter (id ``symbols`` + 1), and ``num_copied`` blanks. Wanted are ``gap`` + ``num_copied``
    blanks, then the symbols in their order. There are ``symbols`` + 2 classes. Without memory the
    mean cross-entropy is at best num_copied * ln(symbols) / (gap + 2 * num_copied) nats. Raises
    ArgumentError for a number below 1.

    Source: Arjovsky, Shah and Bengio, "Unitary Evolution Recurrent Neural Networks", 2016, after
    Hochreiter and Schmidhuber, "Long Short-Term Memory", 1997.
    """
    for name, number in (("gap", gap), ("symbols", symbols), ("num_copied", num_copied)):
        if number < 1:
            raise ArgumentError(name, wanted="at least 1", got=str(number))
    generator = torch.Generator().manual_seed(seed)
    shown = torch.randint(symbols, (num_copied, count), generator=generator)
    blank, delimiter = symbols, symbols + 1
    xs = torch.full((gap + 2 * num_copied, count), blank)
    targets = xs.clone()
    xs[:num_copied] = targets[-num_copied:] = shown
    xs[num_copied + gap - 1] = delimiter
    return Batch(xs, targets, per_step=True)
