"""Parameters under torch.nn's names: made alike, and replaced, copied and moved as any module's."""

from __future__ import annotations

import copy
import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from beside_torch import CHOICES, KINDS, Case, H, I, ids, inputs, pair, results
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrizations, parametrize, prune

import ostinato
from conformance.scenario import assert_same
from ostinato.nn import GRU, LSTM, RNN

LAYOUTS = [
    Case(kind, num_layers, bidirectional, bias)
    for kind in KINDS
    for num_layers in (1, 3)
    for bidirectional in (False, True)
    for bias in (True, False)
]
DEEP = Case("lstm_proj", 2, bidirectional=True)


@pytest.mark.parametrize("case", LAYOUTS, ids=ids(LAYOUTS))
def test_names_shapes_order_and_repr_are_those_of_torch(case: Case) -> None:
    theirs, ours = pair(case)
    want, got = dict(theirs.named_parameters()), dict(ours.named_parameters())
    assert list(got) == list(want)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [p.shape for p in got.values()] == [p.shape for p in want.values()]
    assert repr(ours) == repr(theirs)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    assert [[p.shape for p in row] for row in ours.all_weights] == [
        [p.shape for p in row] for row in theirs.all_weights
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("kind", CHOICES["kind"])
# 1 / sqrt(H) and H**-0.5 differ for H = 6 and 29, not for 5
@pytest.mark.parametrize("hidden_size", [5, 6, 29])
def test_one_seed_gives_the_parameters_of_torch(
    kind: str, hidden_size: int, dtype: torch.dtype
) -> None:
    name, options = KINDS[kind]
    made = []
    for package in (nn, ostinato.nn):
        torch.manual_seed(5)
        layer = getattr(package, name)(
            I, hidden_size, 2, bidirectional=True, dtype=dtype, **options
        )
        made.append((layer.state_dict(), torch.rand(3)))
    (want, after), (got, ours_after) = made
    assert all(torch.equal(got[key], want[key]) for key in want)
    assert torch.equal(after, ours_after), "the random state after it differs"


@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.5, "zoneout": 0.1}], ids=["masks"])
def test_masks_leave_the_initial_parameters_alone(options: dict[str, Any]) -> None:
    torch.manual_seed(5)
    plain = LSTM(I, H, 2).state_dict()
    torch.manual_seed(5)
    masked = LSTM(I, H, 2, **options).state_dict()
    assert list(plain) == list(masked)
    assert all(torch.equal(masked[key], plain[key]) for key in plain)


def test_positional_arguments_are_those_of_torch() -> None:
    for ours, theirs, arguments in (
        (LSTM, nn.LSTM, (I, H, 2, False, True, 0.25, True, 2, "cpu", torch.float64)),
        (GRU, nn.GRU, (I, H, 2, False, True, 0.25, True, 0, "cpu", torch.float64)),
        (RNN, nn.RNN, (I, H, 2, "relu", False, True, 0.25, True, 0, "cpu", torch.float64)),
    ):
        got, want = ours(*arguments), theirs(*arguments)
        names = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout")
        for name in (*names, "bidirectional", "proj_size", "mode"):
            assert getattr(got, name) == getattr(want, name)
        assert repr(got) == repr(want)
        assert got.weight_ih_l0.dtype == torch.float64
    assert got.nonlinearity == want.nonlinearity == "relu"


def test_flatten_parameters_changes_nothing() -> None:
    _, ours = pair(DEEP)
    before = {name: p.data_ptr() for name, p in ours.named_parameters()}
    assert ours.flatten_parameters() is None
    assert before == {name: p.data_ptr() for name, p in ours.named_parameters()}


@pytest.mark.parametrize("kind", CHOICES["kind"])
def test_reset_parameters_draws_as_torch_does(kind: str) -> None:
    theirs, ours = pair(Case(kind, 2, bidirectional=True))
    for module in (theirs, ours):
        torch.manual_seed(9)
        module.reset_parameters()
    assert_same(dict(ours.named_parameters()), dict(theirs.named_parameters()), 0)


def test_functional_call_by_the_names_of_torch() -> None:
    theirs, ours = pair(DEEP)
    other = {name: torch.randn_like(p) for name, p in theirs.named_parameters()}
    x, _ = inputs(DEEP)
    (want, _), (got, _) = (functional_call(m, other, (x,)) for m in (theirs, ours))
    torch.testing.assert_close(got, want, rtol=0, atol=1e-12)
    assert_same(results(ours, x, None), results(theirs, x, None), 1e-10)


def test_functional_call_reaches_the_parameters_with_gradients() -> None:
    _, ours = pair(DEEP)
    weight = torch.randn_like(ours.weight_hh_l1_reverse, requires_grad=True)
    x, _ = inputs(DEEP)
    y, _ = functional_call(ours, {"weight_hh_l1_reverse": weight}, (x,))
    y.sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().max() > 0
    assert ours.weight_hh_l1_reverse.grad is None


def test_weight_norm() -> None:
    theirs, ours = pair(DEEP)
    for module in (theirs, ours):
        parametrizations.weight_norm(module, "weight_hh_l0")
        with torch.no_grad():
            module.parametrizations.weight_hh_l0.original0 *= 1.5
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x, hx = inputs(DEEP)
    assert_same(results(ours, x, hx), results(theirs, x, hx), 1e-10)
    twin = copy.deepcopy(ours)
    assert_same(results(twin, x, hx), results(theirs, x, hx), 1e-10)
    parametrize.remove_parametrizations(ours, "weight_hh_l0")
    assert_same(results(ours, x, hx), results_without_parametrization(theirs, x), 1e-10)


def results_without_parametrization(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
    parametrize.remove_parametrizations(module, "weight_hh_l0")
    return results(module, x, None)


class Scaled(nn.Module):
    """A parametrization: three times the raw weight."""

    def forward(self, raw: Tensor) -> Tensor:
        return 3 * raw

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight / 3


def test_reset_parameters_under_a_parametrization() -> None:
    torch.manual_seed(4)
    fresh = GRU(I, H)
    ours = GRU(I, H)
    parametrize.register_parametrization(ours, "weight_hh_l0", Scaled())
    torch.manual_seed(4)
    ours.reset_parameters()
    torch.testing.assert_close(ours.weight_hh_l0, fresh.weight_hh_l0)
    torch.testing.assert_close(ours.weight_ih_l0, fresh.weight_ih_l0, rtol=0, atol=0)


def test_pruning_by_a_hook() -> None:
    theirs, ours = pair(DEEP)
    mask = torch.rand_like(ours.weight_hh_l1) > 0.5
    for module in (theirs, ours):
        prune.custom_from_mask(module, "weight_hh_l1", mask)
    x, hx = inputs(DEEP)
    assert_same(results(ours, x, hx), results(theirs, x, hx), 1e-10)


def test_tied_parameters() -> None:
    theirs, ours = pair(Case("gru", 2))
    for module in (theirs, ours):
        module.weight_hh_l1 = module.weight_hh_l0
    assert len(list(ours.parameters())) == 7
    x, hx = inputs(Case("gru", 2))
    assert_same(results(ours, x, hx), results(theirs, x, hx), 1e-10)
    assert_same(results(copy.deepcopy(ours), x, hx), results(theirs, x, hx), 1e-10)


def duplicated(module: nn.Module, how: str) -> nn.Module:
    if how == "deepcopy":
        return copy.deepcopy(module)
    if how == "pickle":
        return pickle.loads(pickle.dumps(module))
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("how", ["deepcopy", "pickle", "save"])
@pytest.mark.parametrize("options", [{}, {"recurrent_dropout": 0.2, "layer_norm": True}], ids=str)
def test_a_copy_stands_alone(how: str, options: dict[str, Any]) -> None:
    module = GRU(I, H, 2, bidirectional=True, **options).eval()
    x = torch.randn(5, 2, I)
    want = module(x)[0].detach()
    twin = duplicated(module, how)
    assert torch.equal(twin(x)[0], want)
    # after a step, each runs on its own parameters
    twin(x)[0].sum().backward()
    with torch.no_grad():
        for p in twin.parameters():
            assert p.grad is not None
            p -= 0.1 * p.grad
    assert not torch.allclose(twin(x)[0], want)
    assert torch.equal(module(x)[0], want)
    assert all(p.grad is None for p in module.parameters())


def test_a_copy_holds_each_tensor_once() -> None:
    module = LSTM(50, 100)
    size = sum(p.numel() * p.element_size() for p in module.parameters())
    assert len(pickle.dumps(module)) < 1.2 * size


def test_moving_between_dtypes() -> None:
    theirs, ours = pair(DEEP)
    for module in (theirs.float(), ours.float(), theirs.double(), ours.double()):
        assert isinstance(module, nn.Module)
    x, hx = inputs(DEEP)
    assert_same(results(ours, x, hx), results(theirs, x, hx), 1e-10)
    with pytest.raises(ValueError, match=r"input: wanted torch\.bfloat16"):
        ours.to(torch.bfloat16)(x)


def test_replacing_parameters() -> None:
    theirs, ours = pair(DEEP)
    for module in (theirs, ours):
        module.weight_ih_l0 = nn.Parameter(torch.ones_like(module.weight_ih_l0))
    x, hx = inputs(DEEP)
    assert_same(results(ours, x, hx), results(theirs, x, hx), 1e-10)
    state = {name: p + 1 for name, p in theirs.state_dict().items()}
    for module in (theirs, ours):
        module.load_state_dict(state, assign=True)
        module.requires_grad_()
    assert_same(results(ours, x, hx), results(theirs, x, hx), 1e-10)


def test_meta_and_to_empty() -> None:
    theirs, _ = pair(DEEP)
    ours = LSTM(I, H, 2, bidirectional=True, proj_size=2, device="meta", dtype=torch.float64)
    y, _ = ours(torch.empty(5, 2, I, device="meta", dtype=torch.float64))
    assert y.shape == (5, 2, 4)
    ours.to_empty(device="cpu").load_state_dict(theirs.state_dict())
    x, hx = inputs(DEEP)
    assert_same(results(ours, x, hx), results(theirs, x, hx), 1e-10)


def test_share_memory_and_requires_grad() -> None:
    ours = GRU(I, H)
    ours.share_memory()
    assert all(p.is_shared() for p in ours.parameters())
    ours.requires_grad_(False)
    y, _ = ours(torch.randn(3, 2, I))
    assert not y.requires_grad


def test_train_and_eval_reach_the_cells() -> None:
    modes = []

    class Spy(ostinato.Cell):
        def __init__(self, input_size: int, hidden_size: int) -> None:
            super().__init__()
            self.inner = nn.Linear(input_size, hidden_size)

        def initial_state(self, batch_size: int, **like: Any) -> Any:
            return ()

        def forward(self, x: Tensor, state: Any) -> Any:
            modes.append((self.training, self.inner.training))
            return self.inner(x), state

    module = RNN(I, H, cell=Spy)
    for mode in (False, True):
        with ostinato.backend("eager"):
            module.train(mode)(torch.randn(1, 2, I))
    assert modes == [(False, False), (True, True)]


def test_threads_with_parameters_of_their_own() -> None:
    """A call writes nothing into the module, so that calls may run at one time."""
    _, ours = pair(DEEP)
    x, _ = inputs(DEEP)
    given = [
        {name: torch.full_like(p, 0.1 * k) for name, p in ours.named_parameters()} for k in range(4)
    ]
    modules = [copy.copy(ours) for _ in given]
    for module, tensors in zip(modules, given, strict=True):
        module._parameters = dict(tensors)
    want = [module(x)[0] for module in modules]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            got = list(pool.map(lambda module: module(x)[0], modules))
            assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
    assert not torch.equal(want[0], want[1])


def test_optimiser_steps_follow_torch() -> None:
    theirs, ours = pair(DEEP)
    x, _ = inputs(DEEP)
    for module in (theirs, ours):
        optimiser = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
        for _ in range(3):
            optimiser.zero_grad()
            module(x)[0].square().sum().backward()
            optimiser.step()
    assert_same(dict(ours.named_parameters()), dict(theirs.named_parameters()), 1e-10)


def test_what_published_code_reads() -> None:
    theirs = torch.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    ours = ostinato.nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2)
    assert ours._flat_weights_names == theirs._flat_weights_names
    assert ours._all_weights == theirs._all_weights
    for name, weight in zip(ours._flat_weights_names, ours._flat_weights, strict=True):
        assert weight is getattr(ours, name)


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")
def test_quantisation_is_told_what_stays() -> None:
    model = torch.nn.Sequential(ostinato.nn.GRU(3, 4))
    with pytest.warns(UserWarning, match="goes by exact types"):
        quantised = torch.ao.quantization.quantize_dynamic(model)
    assert isinstance(quantised[0], ostinato.nn.GRU)
