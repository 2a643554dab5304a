"""One checked run."""

import torch

from catalogue import Sums, gru
from ostinato import Lift
from ostinato.backends.call import Call, in_transform, initial_state

XS = torch.randn(4, 2, 3)


def test_sizes_are_read_from_the_first_tensor() -> None:
    call = Call(gru(), {"b": XS, "a": XS[..., 0]}, ())
    assert (call.num_steps, call.batch_size) == (4, 2)
    assert call.sample.shape == (4, 2)


def test_masked_zeroes_every_tensor() -> None:
    mask = torch.zeros(4, 2, dtype=torch.bool)
    call = Call(gru(), (XS, XS[..., 0]), (), mask=mask)
    assert all(not leaf.any() for leaf in call.masked(call.xs))
    assert Call(gru(), XS, ()).masked(XS) is XS


def test_the_initial_state_has_the_dtype_of_the_parameters_else_of_xs() -> None:
    assert initial_state(gru().double(), XS, 2).dtype == torch.float64
    assert initial_state(Sums(3), XS.double(), 2).dtype == torch.float64
    assert initial_state(Sums(3), XS.long(), 2).dtype == torch.float32
    assert initial_state(gru(), XS, 2, "meta").device.type == "meta"
    assert initial_state(Lift(torch.nn.Tanh()), XS, 2) == ()


def test_transforms_are_seen() -> None:
    assert not in_transform()
    seen: list[bool] = []

    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(in_transform())
        return x.sum()

    torch.func.vmap(look)(XS)
    torch.func.grad(look)(XS)
    with torch.autograd.forward_ad.dual_level():
        seen.append(in_transform())
    assert seen == [True] * 3
    assert not in_transform()
