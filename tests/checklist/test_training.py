"""Rows of the checklist about training: each does what "done looks like" says of it."""

import copy
import gc
import io
import math
import os
import signal
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value
from torch.nn import functional as F

from catalogue import ENTRIES, Entry
from ostinato import Sequencer, Stack, _tree, cells, init, unroll
from ostinato.data import Batch, Batches, BatchSettings, Samples
from ostinato.errors import ArgumentError
from ostinato.train import (
    DivergedError,
    History,
    Lines,
    Run,
    Several,
    Silent,
    Solver,
    Supervised,
    TrainSettings,
    check_finite,
    inverse_decay,
    linear_decay,
    load_checkpoint,
    profile,
    save_checkpoint,
    stepwise,
)
from ostinato.train.optimiser import make_optimiser

PLAIN = {"clip": 0, "schedule": "constant", "warm_up": 0.0, "validate_every": 3}


def line_task(batches: int = 3, **options: Any) -> Supervised:
    """A linear module on a few fixed batches of rows [4, 3]."""
    drawn = torch.Generator().manual_seed(0)
    inputs = torch.randn(batches, 4, 3, generator=drawn)
    pairs = [(xs, xs.sum(1, keepdim=True) + 1) for xs in inputs]
    torch.manual_seed(1)
    return Supervised(nn.Linear(3, 1), F.mse_loss, pairs, **options)


# 62


def test_row_62_clipping_gives_the_norm_before() -> None:
    four = nn.Parameter(torch.zeros(4))
    four.grad = torch.full((4,), 3.0)
    assert nn.utils.clip_grad_norm_([four], 3.0).item() == 6.0
    torch.testing.assert_close(four.grad, torch.full((4,), 1.5))


def test_row_62_each_module_apart() -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    (100 * module(torch.ones(4, 2))).sum().backward()
    before = [p.grad.norm() for p in module.parameters() if p.grad is not None]
    parts = [part for part in module.children() if list(part.parameters())]
    norms = [nn.utils.clip_grad_norm_(list(part.parameters()), 1.0) for part in parts]
    torch.testing.assert_close(torch.stack(norms).norm(), torch.stack(before).norm())
    for part in parts:
        after = nn.utils.get_total_norm([p.grad for p in part.parameters() if p.grad is not None])
        assert after.item() <= 1.0001


def test_row_62_the_solver_writes_the_norm_before_and_steps_by_the_clipped_one() -> None:
    task, history = line_task(), History()
    start = copy.deepcopy(task.model)
    settings = TrainSettings(steps=1, optimiser="sgd", lr=1.0, **{**PLAIN, "clip": 0.5})
    Solver(task, settings, report=history).fit()
    task.criterion(start(task.train[0][0]), task.train[0][1]).backward()
    norm = nn.utils.get_total_norm([p.grad for p in start.parameters() if p.grad is not None])
    assert history["grad_norm"] == [pytest.approx(norm.item())]
    moved = [a - b for a, b in zip(task.model.parameters(), start.parameters(), strict=True)]
    assert nn.utils.get_total_norm(moved).item() == pytest.approx(0.5, rel=1e-4)


# 63


def test_row_63_rows_and_columns_of_a_matrix_are_limited() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    rows, columns = weight.renorm(2, 0, 2.0), weight.renorm(2, 1, 2.0)
    torch.testing.assert_close(rows, torch.tensor([[1.2, 1.6], [0.3, 0.4]]))
    torch.testing.assert_close(columns.norm(dim=0), torch.tensor([2.0, 2.0]))
    torch.testing.assert_close(columns[0] / columns[1], torch.tensor([10.0, 10.0]))


def test_row_63_the_solver_keeps_rows_within_their_norm() -> None:
    task = line_task()
    settings = TrainSettings(steps=30, optimiser="sgd", lr=0.1, max_norm=0.5, **PLAIN)
    Solver(task, settings).fit()
    assert task.model.weight.norm().item() == pytest.approx(0.5, rel=1e-4)
    assert task.model.bias.item() > 0.6  # a bias is free


def test_row_63_matrices_decay_and_vectors_do_not() -> None:
    module = nn.Linear(2, 2)
    start = copy.deepcopy(module)
    settings = TrainSettings(optimiser="sgd", lr=0.1, weight_decay=0.5)
    optimiser = make_optimiser(module, settings)
    for p in module.parameters():
        p.grad = torch.ones_like(p)
    optimiser.step()
    torch.testing.assert_close(module.weight, start.weight - 0.1 * (1 + 0.5 * start.weight))
    torch.testing.assert_close(module.bias, start.bias - 0.1)


def test_row_63_momentum_as_an_average_of_gradients() -> None:
    weight = nn.Parameter(torch.zeros(()))
    optimiser = torch.optim.SGD([weight], lr=1.0, momentum=0.9, dampening=0.9)
    velocities = []
    for gradient in (1.0, 3.0):
        weight.grad, before = torch.tensor(gradient), weight.item()
        optimiser.step()
        velocities.append(before - weight.item())
    assert velocities == pytest.approx([1.0, 1.2])


def nesterov(module: nn.Module, lr: float, momentum: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(module.parameters(), lr=lr, momentum=momentum, nesterov=True)


def test_row_63_nesterov_by_hand() -> None:
    """v begins as the first gradient, then v = mom v + g; the step is along g + mom v."""
    module = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(module.weight)
    optimiser, moves = nesterov(module, 1.0, 0.9), []
    for gradient in (1.0, 3.0, -2.0):
        before = module.weight.item()
        module.weight.grad = torch.full_like(module.weight, gradient)
        optimiser.step()
        moves.append(before - module.weight.item())
    # v = 1, 3.9, 1.51
    assert moves == pytest.approx([1 + 0.9, 3 + 3.51, -2 + 1.359])


def test_row_63_nesterov_looks_ahead() -> None:
    """Sutskever et al. 2013: the gradient is that of the place to which the velocity leads.

    There v' = mom v - lr f'(w + mom v), w' = w + v'; the weights of the solver are w + mom v.
    """
    lr, momentum, slope = 0.1, 0.8, 0.5
    inputs = torch.tensor([[1.0]], dtype=torch.float64)
    module = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(module.weight, 2.0)
    task = Supervised(module, lambda ys, _: slope * ys.square().sum(), [(inputs, inputs)])
    solver = Solver(
        task, TrainSettings(steps=30, **PLAIN), optimiser=nesterov(module, lr, momentum)
    )
    batches, w, v = solver.batches(), 2.0, 0.0
    for _ in range(30):
        solver.update(next(batches))
        v = momentum * v - lr * 2 * slope * (w + momentum * v)
        w += v
        assert module.weight.item() == pytest.approx(w + momentum * v, abs=1e-12)


# 64


def sgd(w: float, g: float, s: dict[str, float]) -> float:
    return w - 1e-2 * g


def momentum(w: float, g: float, s: dict[str, float]) -> float:
    s["v"] = 0.9 * s.get("v", 0.0) - 1e-2 * g
    return w + s["v"]


def rmsprop(w: float, g: float, s: dict[str, float]) -> float:
    s["cache"] = 0.99 * s.get("cache", 0.0) + 0.01 * g * g
    return w - 1e-2 * g / (math.sqrt(s["cache"]) + 1e-8)


def adam(w: float, g: float, s: dict[str, float]) -> float:
    t = s["t"] = s.get("t", 0) + 1
    s["m"] = 0.9 * s.get("m", 0.0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0.0) + 0.001 * g * g
    return w - 1e-3 * (s["m"] / (1 - 0.9**t)) / (math.sqrt(s["v"] / (1 - 0.999**t)) + 1e-8)


def adamw(w: float, g: float, s: dict[str, float]) -> float:
    # 4e-3 in place of adam's rate, and decay of the weight itself
    return w - 4e-3 * 0.01 * w - 4 * (w - adam(w, g, s))


@pytest.mark.parametrize("rule", [sgd, momentum, rmsprop, adam, adamw])
def test_row_64_each_step_follows_the_formula_with_the_defaults(rule: Callable) -> None:
    module = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.constant_(module.weight, 0.7)
    optimiser = make_optimiser(module, TrainSettings(optimiser=rule.__name__))
    wanted, state = 0.7, {}
    for step in range(20):
        gradient = math.sin(step) + 0.2
        wanted = rule(wanted, gradient, state)
        module.weight.grad = torch.full_like(module.weight, gradient)
        optimiser.step()
        assert module.weight.item() == pytest.approx(wanted, rel=1e-9)


def test_row_64_torch7_sgd_dampens_by_its_momentum() -> None:
    """optim.sgd: lr / (1 + evals * decay), and dampening the momentum where none is given."""
    weight = nn.Parameter(torch.zeros((), dtype=torch.float64))
    optimiser = torch.optim.SGD([weight], lr=1e-3, momentum=0.5, dampening=0.5)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda evals: 1 / (1 + 0.1 * evals))
    wanted, buffer = 0.0, None
    for evals, gradient in enumerate((1.0, -2.0, 3.0, 0.5)):
        buffer = gradient if buffer is None else 0.5 * buffer + 0.5 * gradient
        wanted -= 1e-3 / (1 + 0.1 * evals) * buffer
        weight.grad = torch.full_like(weight, gradient)
        optimiser.step()
        schedule.step()
        assert weight.item() == pytest.approx(wanted)


def test_row_64_each_parameter_has_its_own_settings() -> None:
    task = line_task()
    groups = [
        {"params": [task.model.weight], "lr": 0.1},
        {"params": [task.model.bias], "lr": 0.0, "momentum": 0.5},
    ]
    before = copy.deepcopy(task.model)
    optimiser = torch.optim.SGD(groups, momentum=0.9)
    Solver(task, TrainSettings(steps=3, **PLAIN), optimiser=optimiser).fit()
    assert torch.equal(task.model.bias, before.bias)
    assert not torch.equal(task.model.weight, before.weight)


# 65


def rates(epochs: int, by_epoch: Callable[[float], float] | None = None, **changes: Any) -> list:
    """The learning rate of each of two steps an epoch."""
    history = History()
    settings = TrainSettings(epochs=epochs, lr=0.5, optimiser="sgd").replace(**changes)
    Solver(line_task(batches=2), settings, report=history, by_epoch=by_epoch).fit()
    return history["lr"]


def twice(values: list[float]) -> list[float]:
    return [value for value in values for _ in range(2)]


def test_row_65_multiplied_at_each_epoch() -> None:
    found = rates(5, schedule="exponential", lr_decay=0.9)
    assert found == pytest.approx(twice([0.5 * 0.9**k for k in range(5)]))


def test_row_65_linear_to_a_floor() -> None:
    """startlr 0.5, minlr 0.1, saturate 4: less by (startlr - minlr) / saturate at each epoch."""
    found = rates(7, linear_decay(floor=0.2, saturate=4))
    assert found == pytest.approx(twice([0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1]))
    by_step = rates(4, schedule="linear", final_lr=0.2, warm_up=0)
    assert by_step == pytest.approx([0.5, 0.45, 0.4, 0.35, 0.3, 0.25, 0.2, 0.15])


def test_row_65_linear_as_in_the_language_model_of_torch_rnn() -> None:
    """--startlr 0.05 --minlr 0.00001 --saturate 400, of recurrent-language-model."""
    share = linear_decay(floor=0.00001 / 0.05, saturate=400)
    found = [0.05 * share(epochs) for epochs in (0, 1, 2, 200, 399, 400, 1000)]
    wanted = [0.05, 0.049875025, 0.04975005, 0.025005, 0.000134975, 0.00001, 0.00001]
    assert found == pytest.approx(wanted)


def test_row_65_a_table() -> None:
    """The table that Torch rnn's documentation gives: halved from epoch 5 on, counted from 1."""
    share = stepwise({4: 0.5, 5: 0.25, 6: 0.125, 7: 0.0625})
    assert rates(9, share, lr=1.0) == twice([1, 1, 1, 1, 0.5, 0.25, 0.125, 0.0625, 0.0625])
    assert rates(5, stepwise({2: 0.5, 3: 0.25})) == twice([0.5, 0.5, 0.25, 0.125, 0.125])
    assert stepwise({4: 0.5})(4.5) == 0.5


def test_row_65_one_over_one_and_decay() -> None:
    """nn.StochasticGradient: learningRate 0.01, learningRateDecay 0.5."""
    found = rates(5, inverse_decay(0.5), lr=0.01)
    assert found == pytest.approx(twice([0.01, 0.02 / 3, 0.005, 0.004, 0.01 / 3]))


# 66


def moments(rule: Any, shape: tuple[int, ...] = (300, 500)) -> tuple[float, float]:
    torch.manual_seed(0)
    weight = torch.empty(shape)
    init.fill(weight, 1, rule, "rule")
    return weight.mean().item(), weight.std().item()


@pytest.mark.parametrize(
    ("rule", "mean", "deviation"),
    [
        ("gaussian", 0, math.sqrt(2 / 800)),
        ("xavier", 0, math.sqrt(2 / 800)),
        # MinPy's "xavier": a Gaussian whose deviation is the bound of the uniform rule
        (lambda weight: nn.init.xavier_normal_(weight, gain=math.sqrt(3)), 0, math.sqrt(6 / 800)),
        (init.normal(0.001), 0, 0.001),
        (init.normal(0.2, mean=3.0), 3, 0.2),
        (init.uniform(0.1), 0, 0.1 / math.sqrt(3)),
        (init.constant(0.25), 0.25, 0),
        (lambda weight: weight.fill_(-1), -1, 0),
    ],
    ids=["gaussian", "xavier", "minpy", "normal", "normal_mean", "uniform", "constant", "custom"],
)
def test_row_66_moments_of_the_rules(rule: Any, mean: float, deviation: float) -> None:
    found = moments(rule)
    assert found[0] == pytest.approx(mean, abs=max(deviation, 1e-3) / 50)
    assert found[1] == pytest.approx(deviation, rel=0.02, abs=1e-7)


def test_row_66_a_rule_for_all_and_others_for_some() -> None:
    model = Stack(nn.Linear(3, 4), cells.LSTM(4, 5), nn.LayerNorm(5))
    init.initialise(model, init.uniform(0.1), {"*bias*": "zeros", "layers.2.*": init.constant(1)})
    for name, weight in model.named_parameters():
        if "bias" in name:
            assert not weight.any(), name
        elif name.startswith("layers.2"):
            assert (weight == 1).all()
        else:
            assert 0 < weight.abs().max().item() <= 0.1


def test_row_66_rules_for_matrices_leave_vectors_alone() -> None:
    model = nn.Linear(3, 4)
    bias = model.bias.detach().clone()
    init.initialise(model, "orthogonal")
    torch.testing.assert_close(model.weight.T @ model.weight, torch.eye(3))
    assert torch.equal(model.bias, bias)
    with pytest.raises(ArgumentError, match=r"got '\*gain'"):
        init.initialise(model, "xavier", {"*gain": "zeros"})


# 67


def with_validations(losses: list[float]) -> Any:
    task = line_task()
    seen: list[dict[str, Tensor]] = []

    def validate() -> dict[str, float]:
        seen.append(copy.deepcopy(task.model.state_dict()))
        return {"loss": losses[len(seen) - 1]}

    task.validate = validate  # type: ignore[method-assign]
    return task, seen


def test_row_67_regression_keeps_the_lowest_loss_and_copies() -> None:
    task, seen = with_validations([3.0, 1.0, 2.0, 5.0])
    solver = Solver(task, TrainSettings(steps=12, lr=0.1, **PLAIN))
    solver.fit()
    assert (solver.best.loss, solver.best.step) == (1.0, 6)
    for name, weight in task.model.state_dict().items():
        assert torch.equal(weight, seen[1][name])
        assert not torch.equal(weight, seen[3][name])


def test_row_67_histories_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    history = History()
    task = line_task()
    Solver(task, TrainSettings(epochs=4, lr=0.1, **PLAIN), report=Several(history, Lines())).fit()
    assert len(history["loss"]) == 12
    assert [r["step"] for r in history.records if "held_out_loss" in r] == [3, 6, 9, 12]
    assert history["held_out_loss"][-1] < history["held_out_loss"][0]
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 4
    assert printed[0].startswith("step 3/12  loss ")


def test_row_67_classification_measures_the_accuracy() -> None:
    inputs = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    targets = (inputs[:, 0] > 0).long()
    pairs = list(zip(inputs.split(10), targets.split(10), strict=True))
    torch.manual_seed(0)
    task = Supervised(nn.Linear(2, 2), F.cross_entropy, pairs[:4], pairs[4:], kind="classification")
    history = History()
    Solver(task, TrainSettings(epochs=20, lr=0.1, validate_every=4), report=history).fit()
    scores = task.model(inputs[40:])
    wanted = (scores.argmax(1) == targets[40:]).float().mean().item()
    best = min(range(20), key=history["held_out_loss"].__getitem__)
    assert history["held_out_accuracy"][best] == pytest.approx(wanted)
    assert wanted > 0.8


def test_row_67_unknown_settings_and_names_are_errors() -> None:
    with pytest.raises(TypeError, match="learning_rat"):
        TrainSettings(learning_rat=0.1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="verbos"):
        Solver(line_task(), verbos=True)  # type: ignore[call-arg]
    with pytest.raises(ArgumentError, match=r"optimiser: .*Did you mean rmsprop"):
        TrainSettings(optimiser="rmspro")
    with pytest.raises(ArgumentError, match="kind: wanted regression or classification"):
        line_task(kind="ranking")


# 68


def test_row_68_a_model_is_a_module() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 2))
            self.register_buffer("mean", torch.randn(3))

        def forward(self, x: Tensor) -> Tensor:
            return (x - self.mean) @ self.weight

    model, other = Model(), Model()
    assert [name for name, _ in model.named_parameters()] == ["weight"]
    assert [name for name, _ in model.named_buffers()] == ["mean"]
    x = torch.randn(4, 3)
    assert not torch.equal(model(x), other(x))
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(x), other(x))
    with pytest.raises(KeyError, match="already exists"):
        model.register_buffer("weight", torch.zeros(3))
    with pytest.raises(RuntimeError, match=r"Missing key.*mean"):
        model.load_state_dict({"weight": model.weight})


def test_row_68_saved_and_loaded(tmp_path: Path) -> None:
    model, other = Stack(nn.Linear(2, 3), cells.GRU(3, 4)), Stack(nn.Linear(2, 3), cells.GRU(3, 4))
    save_checkpoint(tmp_path / "model", {"weights": model.state_dict()})
    other.load_state_dict(load_checkpoint(tmp_path / "model")["weights"])
    xs = torch.randn(5, 2, 2)
    assert torch.equal(unroll(model, xs)[0], unroll(other, xs)[0])


# 70


def test_row_70_sizes_are_found_at_the_first_call() -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.LazyLinear(2))
    assert model(torch.zeros(3, 7)).shape == (3, 2)
    assert model[0].weight.shape == (4, 7)


def test_row_70_a_selective_update_leaves_others_untouched() -> None:
    task = line_task()
    before = copy.deepcopy(task.model)
    optimiser = torch.optim.SGD([task.model.weight], lr=0.1)
    Solver(task, TrainSettings(steps=4, **PLAIN), optimiser=optimiser).fit()
    assert torch.equal(task.model.bias, before.bias)
    assert not torch.equal(task.model.weight, before.weight)
    task.model.requires_grad_(False)
    task.model.bias.requires_grad_(True)
    before = copy.deepcopy(task.model)
    Solver(task, TrainSettings(steps=4, **PLAIN)).fit()
    assert torch.equal(task.model.weight, before.weight)
    assert not torch.equal(task.model.bias, before.bias)


def test_row_70_gradients_by_name() -> None:
    model, x = nn.Linear(3, 2), torch.randn(4, 3)
    weights = dict(model.named_parameters())
    found = grad(lambda given: functional_call(model, given, (x,)).sum())(weights)
    model(x).sum().backward()
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name].grad) for name in weights)


# 71


def test_row_71_gradients_first_then_the_value() -> None:
    x, y = torch.tensor(3.0), torch.tensor(4.0)
    (dx, dy), value = grad_and_value(lambda x, y: x * x * y, argnums=(0, 1))(x, y)
    assert (dx.item(), dy.item(), value.item()) == (24, 9, 36)
    unused = grad(lambda x, y: x * 2, argnums=1)(x, y)
    assert unused.item() == 0
    each = grad(lambda x: (x * x).sum())(torch.tensor([1.0, 2.0]))
    assert each.tolist() == [2, 4]


def test_row_71_higher_derivatives() -> None:
    def square(x: Tensor) -> Tensor:
        return x * x

    derivatives = [square]
    for _ in range(3):
        derivatives.append(grad(derivatives[-1]))
    assert [d(torch.tensor(3.0)).item() for d in derivatives] == [9, 6, 2, 0]


def test_row_71_control_flow() -> None:
    def branch(x: Tensor, up: bool) -> Tensor:
        return 3 * x if up else x * x

    assert grad(branch)(torch.tensor(5.0), True).item() == 3
    assert grad(branch)(torch.tensor(5.0), False).item() == 10

    def loop(x: Tensor) -> Tensor:
        made = x
        for _ in range(3):
            made = made * x
        return made

    assert grad(loop)(torch.tensor(2.0)).item() == 4 * 2**3


# 72


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_row_72_all_cells_pass_the_gradient_check(entry: Entry) -> None:
    """In a random direction (fast_mode), through masked steps, for inputs and parameters."""
    cell = entry.build(torch.float64)
    xs = entry.inputs(3, 2, torch.float64)
    mask = torch.tensor([[True, True], [True, False], [False, True]])
    # a step of zeros is a gap at zero itself only, so there its inputs have no derivative
    moved = [] if entry.takes == "gaps" else _tree.leaves(xs)
    wanted = [leaf.requires_grad_() for leaf in moved if leaf.is_floating_point()]

    def run(*_: Tensor) -> tuple[Tensor, ...]:
        with torch.random.fork_rng():
            torch.manual_seed(0)  # always the same masks
            ys, _ = unroll(cell, xs, mask=mask)
        return tuple(leaf for leaf in _tree.leaves(ys) if leaf.requires_grad)

    given = (*wanted, *cell.parameters())
    if given:
        assert torch.autograd.gradcheck(run, given, fast_mode=True, atol=1e-5)


def test_row_72_masked_inputs_have_no_gradient() -> None:
    cell = cells.LSTM(3, 4, dtype=torch.float64)
    xs = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True], [True, False], [False, True]])
    unroll(cell, xs, mask=mask)[0].sum().backward()
    assert xs.grad is not None
    assert not xs.grad[~mask].any()
    assert xs.grad[mask].all()


def test_row_72_a_wrong_gradient_is_found() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: Any, dy: Tensor) -> Tensor:
            return dy * 3

    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    for fast in (False, True):
        with pytest.raises(RuntimeError, match="mismatch"):
            torch.autograd.gradcheck(Wrong.apply, x, fast_mode=fast)


# 73


def test_row_73_a_hook_at_each_iteration() -> None:
    """It is called between one update and the next, and what it does counts from there on."""
    task = line_task()
    bias: list[float] = []

    class Hook(Silent):
        every_step = True

        def __init__(self) -> None:
            self.calls: list[list[int]] = []

        def steps(self, records: list[dict[str, Any]]) -> None:
            self.calls.append([record["step"] for record in records])
            bias.append(task.model.bias.item())
            if records[-1]["step"] == 4:
                task.model.requires_grad_(False)  # it cannot be trained on
                task.model.weight.requires_grad_(True)

    hook = Hook()
    settings = TrainSettings(epochs=3, optimiser="sgd", lr=0.1, **PLAIN)
    solver = Solver(task, settings, report=hook)
    solver.fit()
    assert hook.calls == [[step] for step in range(1, 10)]
    assert len(set(bias[:4])) == 4  # after each update other weights
    assert set(bias[4:]) == {bias[3]}


def test_row_73_a_hook_hears_of_steps_that_are_not_written_down(tmp_path: Path) -> None:
    class Hook(Silent):
        every_step = True
        seen: ClassVar[list[int]] = []

        def steps(self, records: list[dict[str, Any]]) -> None:
            self.seen.extend(record["step"] for record in records)

    run, history = Run.create("line", tmp_path / "run"), History()
    settings = TrainSettings(steps=9, **{**PLAIN, "validate_every": 9}, log_every=4)
    Solver(line_task(), settings, run=run, report=Several(Hook(), history)).fit()
    assert Hook.seen == [record["step"] for record in history.records] == list(range(1, 10))
    assert [record["step"] for record in run.metrics()] == [4, 8, 9]


def test_row_73_a_loop_of_ones_own_is_plain_sgd() -> None:
    task = line_task()
    twin = copy.deepcopy(task.model)
    solver = Solver(task, TrainSettings(optimiser="sgd", lr=0.01, **PLAIN))
    batches, seen = solver.batches(), []
    for _ in range(25):
        loss, _ = solver.update(next(batches))
        seen.append(loss.item())
    for step in range(25):
        inputs, targets = task.train[step % 3]
        loss = F.mse_loss(twin(inputs), targets)
        assert loss.item() == pytest.approx(seen[step], rel=1e-5)
        gradients = torch.autograd.grad(loss, list(twin.parameters()))
        with torch.no_grad():
            for weight, gradient in zip(twin.parameters(), gradients, strict=True):
                weight -= 0.01 * gradient


def flat(epoch: list[list[int]]) -> list[int]:
    return [row for batch in epoch for row in batch]


def orders(task: Any, batches: int) -> list[list[list[int]]]:
    """The rows of each batch, epoch after epoch, that a solver trains on for three epochs."""
    seen: list[list[int]] = []
    settings = TrainSettings(epochs=3, **{**PLAIN, "validate_every": 1000})
    criterion = task.criterion

    def watched(ys: Tensor, targets: Tensor) -> Tensor:
        if task.model.training:
            seen.append(targets[:, 0].int().tolist())
        return criterion(ys, targets)

    task.criterion = watched
    Solver(task, settings).fit()
    return [seen[k : k + batches] for k in range(0, len(seen), batches)]


def test_row_73_batches_shuffled_once_or_at_each_epoch() -> None:
    rows = Batch(torch.zeros(1, 40, 1), torch.arange(40.0)[:, None])
    batches = Batches(Samples.of(rows), BatchSettings(batch_size=8))
    # the order of the first epoch, drawn once and given to every epoch
    once = [(batch.xs[0], batch.targets) for batch in batches.batches(0)]
    first, second, third = orders(Supervised(nn.Linear(1, 1), F.mse_loss, once), 5)
    assert first == second == third
    assert sorted(flat(first)) == list(range(40))
    assert flat(first) != list(range(40))

    class Shuffled:
        """Another order each time it is read."""

        epoch = 0

        def __len__(self) -> int:
            return 5

        def __iter__(self) -> Any:
            self.epoch += 1
            return ((b.xs[0], b.targets) for b in batches.batches(self.epoch))

    first, second, third = orders(Supervised(nn.Linear(1, 1), F.mse_loss, Shuffled(), once), 5)
    assert first != second != third != first
    assert all(sorted(flat(epoch)) == list(range(40)) for epoch in (first, second, third))


# 74


class StopAt(Silent):
    """Sends this process a signal when a step is done."""

    def __init__(self, step: int) -> None:
        self.step = step

    def steps(self, records: list[dict[str, Any]]) -> None:
        if any(record["step"] == self.step for record in records):
            os.kill(os.getpid(), signal.SIGTERM)


def test_row_74_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    task, seen = with_validations([3.0, 1.0, 2.0, 1.5, 0.1])
    run = Run.create("line", tmp_path / "run")
    solver = Solver(task, TrainSettings(steps=100, patience=2, **PLAIN), run=run)
    assert solver.fit()
    assert solver.progress.step == 12
    kept = run.load_checkpoint(part="best")
    assert (kept["step"], kept["loss"]) == (6, 1.0)
    assert all(torch.equal(kept["weights"][name], seen[1][name]) for name in seen[1])


def test_row_74_a_resumed_run_continues_its_curves(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("ostinato.train.journal._PATIENCE", -1)
    settings = TrainSettings(steps=20, lr=0.1, validate_every=4)
    whole, parts = (Run.create("line", tmp_path / name) for name in ("whole", "parts"))
    Solver(line_task(), settings, run=whole).fit()
    assert not Solver(line_task(), settings, run=parts, report=StopAt(7)).fit()
    resumed = Solver(line_task(), settings, run=parts)
    resumed.restore(parts.load_checkpoint())
    assert resumed.fit()
    curves = [
        [(r["step"], r["loss"], r.get("held_out_loss")) for r in run.metrics()]
        for run in (whole, parts)
    ]
    assert curves[0] == curves[1]
    assert [step for step, *_ in curves[1]] == list(range(1, 21))


# 75


def test_row_75_full_training_and_inference_checkpoints(tmp_path: Path) -> None:
    task = line_task()
    task.model = nn.Sequential(nn.Linear(3, 200), nn.Tanh(), nn.Linear(200, 1))
    solver = Solver(task, TrainSettings(steps=3, **PLAIN))
    solver.fit()
    full = solver.snapshot()
    training = {key: full[key] for key in ("model", "optimiser", "progress")}
    inference = {"model": full["model"]}
    paths = [tmp_path / name for name in ("inference", "training", "full")]
    for path, tree in zip(paths, (inference, training, full), strict=True):
        save_checkpoint(path, tree)
    sizes = [path.stat().st_size for path in paths]
    assert sizes == sorted(sizes)
    assert sizes[0] * 2 < sizes[1] < sizes[2]
    x = torch.randn(2, 3)
    for path in paths:
        fresh = nn.Sequential(nn.Linear(3, 200), nn.Tanh(), nn.Linear(200, 1))
        fresh.load_state_dict(load_checkpoint(path, "model"))
        assert torch.equal(fresh(x), task.model(x))


def test_row_75_clearing_drops_what_is_kept_between_calls_and_stays_usable() -> None:
    """clearState: the sequence and its graph are forgotten, the module works as before."""
    xs = torch.randn(20, 2, 3)
    model = Sequencer(cells.LSTM(3, 4), nn.Linear(4, 1)).remember("both")
    first = model(xs)
    first.sum().backward()
    wanted = first.detach().clone()
    assert not torch.equal(model(xs), wanted)  # it goes on from its state
    held = [weakref.ref(leaf) for leaf in _tree.leaves(model.state)]
    gc.collect()
    assert all(leaf() is not None for leaf in held)
    model.forget()
    for weight in model.parameters():
        weight.grad = None
    gc.collect()
    assert model.state is None
    assert all(leaf() is None for leaf in held)
    sizes = []
    for kind in (copy.deepcopy(model), model):
        torch.save(kind, buffer := io.BytesIO())
        sizes.append(len(buffer.getvalue()))
    assert sizes[0] == sizes[1]
    assert torch.equal(model(xs), wanted)
    torch.save(model, buffer := io.BytesIO())
    assert len(buffer.getvalue()) > sizes[0]  # what it carries again
    model(xs).sum().backward()
    assert all(weight.grad is not None for weight in model.parameters())


# 76


def tied() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    return model


def test_row_76_casting_keeps_sharing() -> None:
    model = tied().double()
    assert model[0].weight is model[1].weight
    assert model[0].weight.dtype == torch.float64


def test_row_76_the_device_is_a_setting() -> None:
    assert TrainSettings(device="cpu").torch_device() == torch.device("cpu")
    auto = TrainSettings().torch_device().type
    assert auto == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ArgumentError, match="device"):
        TrainSettings(device="cudda").torch_device()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_row_76_a_gpu_gives_the_same_numbers() -> None:
    model, xs = cells.LSTM(3, 5), torch.randn(4, 2, 3)
    on_cpu, _ = unroll(model, xs)
    on_gpu, _ = unroll(model.cuda(), xs.cuda())
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=1e-4, atol=1e-5)


# 77


class Split(nn.Module):
    """A language model whose layers are on several devices."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__()
        self.devices = first, second
        self.embedding = nn.Embedding(7, 4, device=first)
        self.lower = cells.LSTM(4, 5, device=first)
        self.upper = cells.LSTM(5, 6, device=second)
        self.head = nn.Linear(6, 7, device=second)

    def forward(self, ids: Tensor) -> Tensor:
        hs, _ = unroll(self.lower, self.embedding(ids.to(self.devices[0])))
        ys, _ = unroll(self.upper, hs.to(self.devices[1]))
        return self.head(ys)


def test_row_77_a_model_split_in_parts() -> None:
    ids = torch.randint(7, (5, 2))
    model = Split("cpu", "cpu")
    whole = Stack(model.embedding, model.lower, model.upper, model.head)
    assert torch.equal(model(ids), unroll(whole, ids)[0])
    model(ids).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_row_77_each_part_is_on_its_own_device() -> None:
    # meta has shapes and no numbers: enough to see that what crosses over is moved
    model = Split("cpu", "meta")
    assert {p.device.type for p in model.lower.parameters()} == {"cpu"}
    assert {p.device.type for p in model.upper.parameters()} == {"meta"}
    ys = model(torch.randint(7, (5, 2)))
    assert (ys.device.type, ys.shape) == ("meta", (5, 2, 7))


# 78


def test_row_78_a_table_of_times_by_layer() -> None:
    model = Sequencer(nn.Linear(3, 8), cells.LSTM(8, 8), nn.Linear(8, 1))
    found = profile(model, torch.randn(6, 2, 3))
    kinds = [layer.kind for layer in found.layers]
    assert kinds == ["Sequencer", "Linear", "LSTM", "Linear"]
    assert all(layer.forward > 0 and layer.backward > 0 for layer in found.layers)
    inner = sum(layer.forward for layer in found.layers[1:])
    assert inner <= found[""].forward
    lines = str(found).splitlines()
    assert lines[0].split() == ["layer", "kind", "calls", "forward", "ms", "backward", "ms"]
    assert len(lines) == 5
    assert "LSTM" in lines[3]


def test_row_78_a_nan_names_its_parameter() -> None:
    model = Stack(nn.Linear(2, 2), cells.GRU(2, 3))
    check_finite(model)
    cell: Any = model.layers[1]
    cell.weight_hh.grad = torch.zeros_like(cell.weight_hh)
    cell.weight_hh.grad[0, 1] = math.nan
    with pytest.raises(DivergedError, match=r"layers\.1\.weight_hh\.grad: .*nan in 1 of 27"):
        check_finite(model)
    cell.bias_ih.data[0] = math.inf
    with pytest.raises(DivergedError, match=r"layers\.1\.bias_ih: .*inf in 1 of 9 numbers"):
        check_finite(model)


def test_row_78_training_stops_before_a_nan_reaches_the_weights(tmp_path: Path) -> None:
    task = line_task()
    task.train[1][1][0] = math.nan
    run = Run.create("line", tmp_path / "run")
    with pytest.raises(DivergedError, match=r"weight\.grad: .* at step 2"):
        Solver(task, TrainSettings(steps=9, **PLAIN), run=run).fit()
    assert all(weight.isfinite().all() for weight in task.model.parameters())
    assert [record["step"] for record in run.metrics()] == [1]
    assert run.load_checkpoint()["progress"]["step"] == 0
