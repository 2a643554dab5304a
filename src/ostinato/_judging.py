"""A model while it is judged: nothing is learned, dropped or drawn that training would notice."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def judging(model: nn.Module) -> Generator[None]:
    """Within the block a model is in evaluation, without gradients.

    Its mode and torch's random state are afterwards as they were.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode(), torch.random.fork_rng():
            yield
    finally:
        model.train(was_training)
