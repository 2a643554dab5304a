"""`ostinato.nn.swap`: a model of torch.nn's layers, the same model but for how it runs."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from beside_torch import Case, covering, ids, inputs, pair, results
from torch import Tensor, nn
from torch.nn.utils import parametrize

import ostinato
from conformance.scenario import TOLERANCE, assert_same
from ostinato.errors import DtypeError
from ostinato.nn import Swap, swap
from ostinato.nn.swap import is_swapped
from ostinato.nn.swapped import FEW_STEPS

CASES = covering(3)


class Tagger(nn.Module):
    """As published models are: several kinds of layers, a cell, and one layer under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(3, 4, 2, bidirectional=True, batch_first=True, dropout=0.3)
        self.second = nn.Sequential(nn.GRU(8, 4, batch_first=True))
        self.again = self.second[0]
        self.cell = nn.LSTMCell(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(self.again(self.first(x)[0])[0][:, -1])[0]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list of the layers that ostinato runs from now on."""
    from ostinato.nn import swapped

    seen: list[Any] = []
    twin = swapped.twin
    monkeypatch.setattr(swapped, "twin", lambda module: seen.append(module) or twin(module))
    return seen


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")
def test_equal(case: Case, ran: list[Any]) -> None:
    theirs, _ = pair(case)
    x, hx = inputs(case)
    want = results(theirs, x, hx)
    swap(theirs)
    assert_same(results(theirs, x, hx), want, TOLERANCE[case.dtype])
    assert ran == [theirs]


def test_the_model_stays_what_it_is() -> None:
    model = Tagger()
    modules, parameters = list(model.modules()), list(model.named_parameters())
    before, printed = model.state_dict(), repr(model)
    swap(model)
    assert all(a is b for a, b in zip(model.modules(), modules, strict=True))
    for (name, parameter), (known, same) in zip(model.named_parameters(), parameters, strict=True):
        assert name == known
        assert parameter is same
    assert list(model.state_dict()) == list(before)
    assert repr(model) == printed
    assert isinstance(model.first, nn.LSTM)
    assert type(model.first).__name__ == "LSTM"
    assert type(model.first).__module__ == "torch.nn.modules.rnn"


def test_the_report() -> None:
    report = swap(Tagger())
    assert isinstance(report, Swap)
    assert list(report.replaced) == ["first", "second.0"]
    assert report.replaced["second.0"] == "GRU(8, 4, batch_first=True)"
    assert list(report.left) == ["cell"]
    assert report.left["cell"].startswith("LSTMCell(4, 4): takes one step")
    assert str(report).splitlines()[0] == "swapped: 2"
    assert "left: 1" in str(report)
    assert str(swap(nn.Linear(1, 1))) == "swapped: nothing\nleft: nothing"


def test_a_layer_alone(ran: list[Any]) -> None:
    layer = nn.GRU(3, 4)
    assert list(swap(layer).replaced) == ["(the model itself)"]
    layer(torch.randn(5, 2, 3))
    assert ran == [layer]


def test_undo() -> None:
    model = Tagger().eval()
    kinds = list(map(type, model.modules()))
    x = torch.randn(2, 6, 3)
    want = model(x)
    report = swap(model)
    model(x)
    report.undo()
    assert list(map(type, model.modules())) == kinds
    assert torch.equal(model(x), want)
    report.undo()  # of what is undone is nothing
    assert list(map(type, model.modules())) == kinds


def test_twice_is_once() -> None:
    model = Tagger()
    swap(model)
    again = swap(model)
    assert not again.replaced
    assert again.left["first"].endswith("is swapped already")
    again.undo()
    assert not any(map(is_swapped, model.modules()))


def test_training_with_dropout_draws_what_torch_draws() -> None:
    model = Tagger()
    x = torch.randn(2, 6, 3)

    def step() -> list[Tensor]:
        torch.manual_seed(3)
        y = model(x)
        return [y, *torch.autograd.grad(y.square().sum(), list(model.parameters()))]

    want = step()
    swap(model)
    for got, known in zip(step(), want, strict=True):
        torch.testing.assert_close(got, known, rtol=1e-4, atol=1e-6)


def test_no_random_number_is_drawn() -> None:
    layer = nn.LSTM(5, 7)
    state = torch.get_rng_state()
    swap(layer)
    layer(torch.ones(FEW_STEPS, 1, 5))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m))],
    ids=["deepcopy", "copy", "pickle"],
)
def test_copies_are_swapped_and_stand_alone(copied: Callable[[Any], Any], ran: list[Any]) -> None:
    layer = nn.LSTM(3, 4)
    swap(layer)
    x = torch.randn(5, 2, 3)
    layer(x)
    twin = copied(layer)
    assert is_swapped(twin)
    twin.weight_hh_l0 = nn.Parameter(torch.zeros(16, 4))
    ran.clear()
    twin(x)
    assert ran == [twin]
    expected = nn.LSTM(3, 4)
    expected.load_state_dict(twin.state_dict())
    torch.testing.assert_close(twin(x)[0], expected(x)[0])


def test_hooks_are_called_once() -> None:
    layer = nn.GRU(3, 4)
    seen: list[str] = []
    layer.register_forward_pre_hook(lambda m, a: seen.append("before"))
    layer.register_forward_hook(lambda m, a, y: seen.append("after"))
    layer.register_full_backward_hook(lambda m, a, b: seen.append("backward"))
    swap(layer)
    layer(torch.randn(5, 2, 3, requires_grad=True))[0].sum().backward()
    assert seen == ["before", "after", "backward"]


def test_settings_are_read_at_the_call() -> None:
    layer = nn.LSTM(3, 4, 2, dropout=0.5)
    swap(layer)
    x = torch.randn(5, 6, 3)
    layer(x)
    layer.batch_first, layer.dropout = True, 0.0
    expected = nn.LSTM(3, 4, 2, batch_first=True)
    expected.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x)[0], expected(x)[0])


class WeightDrop(nn.Module):
    """As AWD-LSTM, AllenNLP and fastai have it: the weight is made anew before every call."""

    def __init__(self, layer: nn.LSTM) -> None:
        super().__init__()
        self.layer = layer
        self.raw = nn.Parameter(layer.weight_hh_l0.detach().clone())
        del layer._parameters["weight_hh_l0"]
        layer.flatten_parameters = lambda: None  # type: ignore[method-assign]
        layer.weight_hh_l0 = self.raw * 1

    def forward(self, x: Tensor) -> Tensor:
        self.layer.weight_hh_l0 = self.raw * 0.5
        return self.layer(x)[0]


def halved(layer: nn.Module) -> nn.Module:
    class Half(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight / 2

    parametrize.register_parametrization(layer, "weight_hh_l0", Half())
    return layer


def functional(layer: nn.Module, x: Tensor) -> Tensor:
    half = {"weight_hh_l0": layer.weight_hh_l0.detach() / 2}
    return torch.func.functional_call(layer, half, (x,))[0]


def test_weights_are_those_of_the_moment(ran: list[Any]) -> None:
    layer = nn.LSTM(3, 4)
    expected = copy.deepcopy(layer)
    with torch.no_grad():
        expected.weight_hh_l0 /= 2
    x = torch.randn(5, 2, 3)
    want = expected(x)[0]
    swap(layer)
    torch.testing.assert_close(functional(layer, x), want)
    torch.testing.assert_close(halved(copy.deepcopy(layer))(x)[0], want)
    before = halved(nn.LSTM(3, 4))
    before.load_state_dict(halved(copy.deepcopy(layer)).state_dict())
    swap(before)
    torch.testing.assert_close(before(x)[0], want)
    dropped = WeightDrop(layer)
    y = dropped(x)
    torch.testing.assert_close(y, want)
    y.sum().backward()
    assert dropped.raw.grad is not None
    assert len(ran) == 4


def test_parametrizations_come_and_go() -> None:
    layer = halved(nn.GRU(3, 4))
    report = swap(layer)
    assert is_swapped(layer)
    assert parametrize.is_parametrized(layer, "weight_hh_l0")
    parametrize.remove_parametrizations(layer, "weight_hh_l0")
    assert is_swapped(layer)
    report.undo()
    assert type(layer) is nn.GRU
    swap(layer)
    report = swap(halved(layer))
    report.undo()
    assert not is_swapped(layer)
    assert parametrize.is_parametrized(layer, "weight_hh_l0")
    layer(torch.randn(5, 2, 3))


class Named(nn.LSTM):
    """A subclass that only sets sizes."""

    def __init__(self) -> None:
        super().__init__(3, 4)
        self.note = "kept"


class Doubled(nn.LSTM):
    def forward(self, input: Any, hx: Any = None) -> Any:  # type: ignore[override]
        return super().forward(input * 2, hx)


class Lenient(nn.GRU):
    def check_forward_args(self, *args: Any) -> None: ...


def test_subclasses() -> None:
    layer = Named()
    swap(layer)
    assert is_swapped(layer)
    assert isinstance(layer, Named)
    twin = pickle.loads(pickle.dumps(layer))
    assert isinstance(twin, Named)
    assert twin.note == "kept"


def wrapped() -> nn.Module:
    layer = nn.LSTM(3, 4)
    layer.forward = lambda *a: nn.LSTM.forward(layer, *a)  # type: ignore[method-assign]
    return layer


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Doubled(3, 4), "a forward of its own"),
        (lambda: Lenient(3, 4), "a check_forward_args of its own"),
        (wrapped, "forward was replaced on the object"),
        (lambda: torch.jit.script(nn.LSTM(3, 4)), "compiled by torch.jit"),
        (lambda: nn.RNNBase("LSTM", 3, 4), "none of torch.nn.RNN, LSTM and GRU"),
        (lambda: nn.GRUCell(3, 4), "takes one step"),
    ],
    ids=["forward", "check", "on the object", "script", "base", "cell"],
)
def test_left_with_a_reason(make: Callable[[], nn.Module], reason: str) -> None:
    model = nn.Sequential(make())
    kind = type(model[0])
    report = swap(model)
    assert not report.replaced
    assert reason in report.left["0"]
    assert type(model[0]) is kind


def test_few_steps_run_as_before(ran: list[Any]) -> None:
    layer = nn.LSTM(3, 4, batch_first=True)
    expected = copy.deepcopy(layer)
    swap(layer)
    x = torch.randn(9, FEW_STEPS - 1, 3)
    assert torch.equal(layer(x)[0], expected(x)[0])
    assert not ran
    layer(torch.randn(1, FEW_STEPS, 3))
    assert ran == [layer]


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_as_before_under_autocast(name: str, ran: list[Any]) -> None:
    layer = getattr(nn, name)(3, 4)
    x = torch.randn(9, 2, 3)

    def step() -> list[Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            y = layer(x)[0]
        return [y, *torch.autograd.grad(y.float().square().sum(), list(layer.parameters()))]

    want = step()
    swap(layer)
    for got, known in zip(step(), want, strict=True):
        assert got.dtype == known.dtype
        assert torch.equal(got, known)
    assert not ran


def test_an_lstm_without_gradients_runs_as_before(ran: list[Any]) -> None:
    layer = nn.LSTM(3, 4)
    swap(layer)
    x = torch.randn(9, 2, 3)
    with torch.no_grad():
        layer(x)
        layer(nn.utils.rnn.pack_sequence([x[:, 0], x[:5, 1]]))
        assert not ran
        layer.double()(x.double())
    assert ran == [layer]


@pytest.mark.filterwarnings("ignore:`torch.jit.trace:DeprecationWarning")
@pytest.mark.filterwarnings(
    "ignore:.*torch.jit:DeprecationWarning", "ignore::torch.jit.TracerWarning"
)
def test_traced_and_scripted_as_torch_is() -> None:
    model = nn.Sequential(nn.GRU(3, 4))
    x = torch.randn(5, 2, 3)
    want = model(x)[0]
    swap(model)
    traced = torch.jit.trace(model, (x,))
    assert torch.equal(traced(x)[0], want)
    longer = torch.randn(9, 4, 3)
    torch.testing.assert_close(traced(longer)[0], model(longer)[0])
    assert torch.equal(torch.jit.script(model)(x)[0], want)


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated", "ignore:torch.quantize")
def test_quantisation_says_what_it_leaves() -> None:
    model = nn.Sequential(nn.LSTM(3, 4))
    report = swap(model)
    quantise = torch.ao.quantization.quantize_dynamic
    with pytest.warns(UserWarning, match="undo the swap first"):
        left = quantise(model, {nn.LSTM})
    assert is_swapped(left[0])
    report.undo()
    assert type(quantise(model, {nn.LSTM})[0]) is torch.ao.nn.quantized.dynamic.LSTM


def test_what_published_code_touches() -> None:
    layer = nn.LSTM(3, 4, 2)
    swap(layer)
    layer.flatten_parameters()
    assert layer._flat_weights[1] is layer.weight_hh_l0
    assert layer.all_weights[1][0] is layer.weight_ih_l1
    assert layer.extra_repr() == "3, 4, num_layers=2"
    layer.reset_parameters()
    layer.double()
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    assert layer(x)[0].dtype == torch.float64
    layer.float()
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer(x.float())[0].sum().backward()
    before = layer.weight_hh_l0.clone()
    optimiser.step()
    assert not torch.equal(layer.weight_hh_l0, before)


def test_bad_calls_are_refused_as_torch_does() -> None:
    layer = nn.LSTM(3, 4)
    swap(layer)
    for wrong in (torch.randn(5, 2, 7), torch.randn(5, 2, 3).double()):
        with pytest.raises((RuntimeError, ValueError), match="input: wanted"):
            layer(wrong)
    with pytest.raises(RuntimeError, match="hx"):
        layer(torch.randn(5, 2, 3), (torch.zeros(1, 9, 4), torch.zeros(1, 9, 4)))


def test_no_model() -> None:
    with pytest.raises(DtypeError, match=r"model: wanted a torch.nn.Module, got str"):
        ostinato.nn.swap("model")  # pyright: ignore[reportArgumentType]


SHARDED = """if True:
    import copy, sys, torch, torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard
    from ostinato.nn import swap
    from ostinato.nn.swap import is_swapped

    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4, 2))
    x = torch.randn(6, 2, 3)
    want = model(x)[0]
    want.sum().backward()
    grads = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    mesh = init_device_mesh("cpu", (1,))
    if sys.argv[1] == "before":
        report = swap(model)
    fully_shard(model[0], mesh=mesh)
    if sys.argv[1] == "after":
        report = swap(model)
    assert is_swapped(model[0])
    assert type(model[0]).__name__ == "FSDPLSTM"
    got = model(x)[0]
    torch.testing.assert_close(got, want)
    got.sum().backward()
    for p, grad in zip(model.parameters(), grads):
        torch.testing.assert_close(p.grad.full_tensor(), grad)
    report.undo()
    assert not is_swapped(model[0])
    torch.testing.assert_close(model(x)[0], want)
    dist.destroy_process_group()
    print("equal")
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_sharded(when: str) -> None:
    made = subprocess.run(
        [sys.executable, "-c", SHARDED, when],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert made.stdout.strip() == "equal", made.stderr


def test_transforms_that_torchs_layers_refuse() -> None:
    layer = nn.GRU(3, 4)
    swap(layer)
    x = torch.randn(6, 5, 3)
    weights = {k: v.detach() for k, v in layer.named_parameters()}

    def loss(weights: dict[str, Tensor], x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, weights, (x[:, None],))[0].sum()

    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 1))(weights, x)
    for i in range(5):
        one = torch.func.grad(loss)(weights, x[:, i])
        torch.testing.assert_close({k: v[i] for k, v in each.items()}, one)
