"""Cross-entropy over some of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ostinato.errors import ArgumentError


def partial_cross_entropy(
    scores: Tensor, targets: Tensor, classes: Tensor | Sequence[int]
) -> Tensor:
    """Mean cross-entropy of scores [..., V] and targets [...] as if there were these classes only.

    ``classes`` [n] are different indices out of V, in any order; targets are indices out of V as
    well. The scores of all other classes have a gradient of zero. The ``lstm`` rock's
    ``PartialCrossEntropyCriterion``. Raises ArgumentError for a class that is named twice or is
    not out of V, and for a target that is not among the classes.
    """
    classes = torch.as_tensor(classes, device=scores.device)
    num_classes = scores.shape[-1]
    inside = bool(((classes >= 0) & (classes < num_classes)).all())
    if not inside or len(classes.unique()) != len(classes):
        raise ArgumentError(
            "classes",
            wanted=f"different indices from 0 to {num_classes - 1}",
            got=str(classes.tolist()),
            remedy="Use classes.unique() where some come twice.",
        )
    places = torch.full((num_classes,), -1, device=scores.device)
    places[classes] = torch.arange(len(classes), device=scores.device)
    there = places[targets]
    if (there < 0).any():
        raise ArgumentError(
            "targets",
            wanted="indices among the classes",
            got=str(targets[there < 0].unique().tolist()),
            remedy="Add them to classes, or leave their rows out.",
        )
    return F.cross_entropy(scores[..., classes].flatten(0, -2), there.flatten())
