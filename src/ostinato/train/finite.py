"""That all numbers of a model are finite, and if not, where not."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from ostinato.errors import DivergedError


def check_finite(module: nn.Module, *, when: str = "", remedy: str = "") -> None:
    """Raise DivergedError naming the first parameter that is not finite, or its gradient.

    Values come before gradients, as ``layers.0.weight_hh`` before ``layers.0.weight_ih.grad``.
    ``when`` and ``remedy`` are added to the message.
    """
    for name, tensor in _tensors(module):
        bad = tensor[~tensor.isfinite()]
        if len(bad):
            raise DivergedError(
                name,
                wanted="finite numbers",
                got=f"{bad[0].item()} in {len(bad)} of {tensor.numel()} numbers{when}",
                remedy=remedy,
            )


def check_step(module: nn.Module, loss: Tensor, norm: Tensor, when: str, remedy: str) -> None:
    """Raise DivergedError where the loss or the norm of the gradient (scalars) is not finite."""
    if bool(loss.isfinite() & norm.isfinite()):
        return
    check_finite(module, when=when, remedy=remedy)
    name, value = ("grad_norm", norm) if loss.isfinite() else ("loss", loss)
    raise DivergedError(name, wanted="a finite number", got=f"{value.item()}{when}", remedy=remedy)


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, weight in module.named_parameters():
        yield name, weight.detach()
    for name, weight in module.named_parameters():
        if weight.grad is not None:
            yield f"{name}.grad", weight.grad
