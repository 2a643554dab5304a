"""The operators that a call is in a graph of `torch.compile`.

``ostinato::run`` makes the very call that is made without `torch.compile`. Compilers that take the
backward apart (all but ``backend="eager"``) get ``ostinato::pull`` for it, which reads the graph of
autograd that the forward has left. What stands for that graph is a tensor, the token: it holds the
graph, which lives as long as whoever has the token.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ostinato.backends.fused.trace.identity import PLAIN_TENSORS
from ostinato.backends.recompute import smooth
from ostinato.backends.request import REQUESTS, forms, sized, spelled
from ostinato.errors import BackendError


class Saved(bytearray):
    """What a forward leaves for its backward; it lives as long as the tensor made of it."""

    inputs: list[Tensor]
    outputs: list[Tensor]


SAVED: weakref.WeakValueDictionary[int, Saved] = weakref.WeakValueDictionary()
_numbers = itertools.count()


def keep(inputs: list[Tensor], outputs: list[Tensor]) -> Tensor:
    """A tensor that holds the graph between inputs and outputs: its number, which finds it."""
    number = next(_numbers)
    saved = Saved(number.to_bytes(8, sys.byteorder))
    saved.inputs, saved.outputs = inputs, outputs
    SAVED[number] = saved
    return torch.frombuffer(saved, dtype=torch.int64)


def run_now(
    handle: str,
    form: str,
    wanted: list[bool],
    numbers: list[int],
    first: Tensor,
    others: list[Tensor],
) -> list[Tensor]:
    """The call itself. Nothing that it gives shares memory with what it got or keeps."""
    request, tensors = REQUESTS[handle], [first, *others]
    if not any(wanted):
        with torch.no_grad():
            return separate(request.results(tensors, numbers), tensors)
    # the graph outlives them: who has the memory of an intermediate result may use it again
    given = [t.clone() for t in tensors[: request.count]]
    inputs = [
        t if t.is_leaf and t.requires_grad == want and not t._backward_hooks
        else t.detach().requires_grad_(want)
        for t, want in zip((*given, *tensors[request.count :]), wanted, strict=True)
    ]  # fmt: skip
    with recording():
        made = request.results(inputs, numbers)
    learned = [t for t, want in zip(inputs, wanted, strict=True) if want]
    return [*(t.detach().clone() for t in made), keep(learned, made)]


@contextmanager
def recording() -> Generator[None]:
    """Within the block autograd records, wherever in the run of an operator this is."""
    keys = torch._C.DispatchKey  # pyright: ignore
    inside = torch._C._dispatch_tls_local_include_set()  # pyright: ignore
    outside = torch._C._dispatch_tls_local_exclude_set()  # pyright: ignore
    for key in (keys.AutogradFunctionality, keys.AutogradOther, keys.AutogradNestedTensor):
        outside = outside.remove(key)
    with torch._C._ForceDispatchKeyGuard(inside, outside), torch.enable_grad():  # pyright: ignore
        yield


def separate(made: list[Tensor], given: list[Tensor]) -> list[Tensor]:
    """Results that share no memory with what was given, nor with each other."""
    known = {t.untyped_storage().data_ptr() for t in given}
    found: list[Tensor] = []
    for t in made:
        place = t.untyped_storage().data_ptr()
        found.append(t.clone() if place in known else t.contiguous())
        known.add(place)
    return found


def run_in_graph(
    handle: str,
    form: str,
    wanted: list[bool],
    numbers: list[int],
    first: Tensor,
    others: list[Tensor],
) -> list[Tensor]:
    """The call in the graph of autograd: an ordinary one, or one that is traced."""
    traced = any(type(t) not in PLAIN_TENSORS for t in (first, *others))
    if not torch.is_grad_enabled() or not any(wanted):
        if not traced:
            return run_now(handle, form, wanted, numbers, first, others)
        with torch._C._AutoDispatchBelowAutograd():  # pyright: ignore
            return torch.ops.ostinato.run(handle, form, wanted, numbers, first, others)
    if traced:
        return list(Traced.apply(handle, form, wanted, numbers, first, *others))  # pyright: ignore
    token = torch.zeros(1, dtype=torch.int64, device="cpu")
    return [*REQUESTS[handle].results([first, *others], numbers), token]


def run_fake(
    handle: str,
    form: str,
    wanted: list[bool],
    numbers: list[int],
    first: Tensor,
    others: list[Tensor],
) -> list[Tensor]:
    """Results without numbers."""
    sizes = {"T": first.shape[0], "B": first.shape[1]}
    made = [torch.empty(sized(s, sizes), dtype=d, device=at) for s, d, at in forms(form)]
    return [*made, torch.empty(1, dtype=torch.int64, device="cpu")] if any(wanted) else made


class Traced(torch.autograd.Function):
    """The operator with its backward, as a compiler sees it."""

    @staticmethod
    def forward(
        ctx: Any, handle: str, form: str, wanted: list[bool], numbers: list[int], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        with torch._C._AutoDispatchBelowAutograd():  # pyright: ignore
            made = torch.ops.ostinato.run(
                handle, form, wanted, numbers, tensors[0], list(tensors[1:])
            )
        learned = [t for t, want in zip(tensors, wanted, strict=True) if want]
        ctx.form = spelled((("?",) * t.dim(), t) for t in learned)
        ctx.sizes = [n for t in learned for n in t.shape]
        ctx.wanted = wanted
        ctx.save_for_backward(made[-1])
        ctx.mark_non_differentiable(*(t for t in made if not smooth(t)))
        ctx.set_materialize_grads(False)
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        (token,) = ctx.saved_tensors
        found = iter(torch.ops.ostinato.pull(token, ctx.form, ctx.sizes, list(grads[:-1])))
        return (None,) * 4 + tuple(next(found) if want else None for want in ctx.wanted)


def pull_now(
    token: Tensor, form: str, sizes: list[int], grads: list[Tensor | None]
) -> list[Tensor]:
    """The gradients of the tensors that a forward was to learn."""
    saved = SAVED.get(int(token))
    if saved is None:
        raise BackendError(
            "torch.compile",
            wanted="the graph that the forward has left",
            got="a copy of what stands for it",
            remedy="Leave out hooks that copy saved tensors, such as save_on_cpu.",
        )
    pairs = zip(saved.outputs, grads, strict=False)
    pulled = [(t, g) for t, g in pairs if g is not None and t.requires_grad]
    found = torch.autograd.grad(
        [t for t, _ in pulled], saved.inputs, [g for _, g in pulled],
        retain_graph=True, allow_unused=True, materialize_grads=True,
    )  # fmt: skip
    return separate(list(found), [])


def pull_fake(
    token: Tensor, form: str, sizes: list[int], grads: list[Tensor | None]
) -> list[Tensor]:
    """Gradients without numbers."""
    each = iter(sizes)
    return [
        torch.empty([next(each) for _ in shape], dtype=dtype, device=device)
        for shape, dtype, device in forms(form)
    ]


torch.library.define(
    "ostinato::run",
    "(str handle, str form, bool[] wanted, SymInt[] numbers, Tensor first, Tensor[] others)"
    " -> Tensor[]",
    # two calls of the same tensors may draw different numbers
    tags=(torch.Tag.nondeterministic_seeded,),
)
torch.library.define(
    "ostinato::pull", "(Tensor token, str form, SymInt[] sizes, Tensor?[] grads) -> Tensor[]"
)
for name, key, kernel in (
    ("run", "CompositeExplicitAutograd", run_now),
    ("run", "Autograd", run_in_graph),
    ("pull", "CompositeExplicitAutograd", pull_now),
):
    torch.library.impl(f"ostinato::{name}", key, kernel)
torch.library.register_fake("ostinato::run", run_fake)  # pyright: ignore
torch.library.register_fake("ostinato::pull", pull_fake)  # pyright: ignore
