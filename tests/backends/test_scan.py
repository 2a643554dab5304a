"""Cells over time in graphs that torch.export makes, at other T and B than they were traced at."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

import ostinato
from catalogue import ENTRIES, Entry
from ostinato import Cell, LearnedState, Recursor, Sequencer, Stack, _tree, cells, unroll
from ostinato.backends.call import initial_state
from ostinato.errors import ArgumentError, BackendError, StateError

# float32, and sums in another order
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
T, B = torch.export.Dim("T", min=1), torch.export.Dim("B", min=1)
TIMED = {0: T, 1: B}


class Run(nn.Module):
    """`unroll` of a cell, with states in and out and lengths as an input."""

    def __init__(self, cell: Cell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, xs, state, lengths):
        return unroll(self.cell, xs, state, lengths=lengths)


def check(entry: Entry, *, strict: bool) -> None:
    cell = entry.build(torch.float32, training=False)
    xs = entry.inputs(5, 3, torch.float32)
    state = initial_state(cell, _tree.leaves(xs)[0], 3)
    sizes = (
        _tree.map(lambda _: TIMED, xs),
        _tree.map(lambda leaf: {0: B} if leaf.shape[0] == 3 else {}, state),
        {0: B},
    )
    given = (xs, _tree.map(lambda leaf: leaf.detach().clone(), state), torch.tensor([5, 2, 0]))
    with torch.no_grad():
        program = torch.export.export(Run(cell), given, dynamic_shapes=sizes, strict=strict)
        made = program.module()
        for lengths in ([9, 0, 3, 8], [1]):
            xs = entry.inputs(max(lengths), len(lengths), torch.float32, seed=1)
            state = initial_state(cell, _tree.leaves(xs)[0], len(lengths))
            ours = made(xs, state, torch.tensor(lengths))
            want = unroll(cell, xs, state, lengths=lengths, backend="eager")
            torch.testing.assert_close(_tree.leaves(ours), _tree.leaves(want), **TOLERANCE)


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_every_cell_exports(entry: Entry) -> None:
    check(entry, strict=False)


# a standard cell; states of two kinds, in a tuple and a dict; a stack
STRICT = ("lstm", "recurrent", "user_dict_state", "recurrence_lstm", "antisymmetric", "stack_mixed")


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch, about its own export
@pytest.mark.parametrize("name", STRICT)
def test_strict_export(name: str) -> None:
    check(next(entry for entry in ENTRIES if entry.name == name), strict=True)


def exported(module: nn.Module, given: tuple[Tensor, ...], sizes: object, **options: bool):
    return torch.export.export(module.eval(), given, dynamic_shapes=sizes, **options).module()


class Everything(nn.Module):
    """All options of `unroll` at once."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = Stack(cells.LSTM(4, 6), LearnedState(cells.GRU(6, 3)))

    def forward(self, xs: Tensor, mask: Tensor, resets: Tensor):
        return unroll(self.cell, xs, mask=mask, resets=resets, reverse=True)


def test_masks_resets_and_reversal() -> None:
    def given(num_steps: int, batch_size: int) -> tuple[Tensor, ...]:
        torch.manual_seed(num_steps)
        flags = torch.rand(2, num_steps, batch_size) > 0.4
        return torch.randn(num_steps, batch_size, 4), flags[0], flags[1]

    module = Everything()
    made = exported(module, given(5, 3), (TIMED,) * 3)
    ours, want = made(*given(8, 2)), module(*given(8, 2))
    torch.testing.assert_close(_tree.leaves(ours), _tree.leaves(want), **TOLERANCE)


MODULES = {
    "sequencer": lambda: Sequencer(cells.MGU(4, 6), nn.Linear(6, 2)),
    "both_ways": lambda: ostinato.BiSequencer(cells.GRU(4, 6)),
    "both_ways_lm": lambda: ostinato.BiSequencerLM(cells.GRU(4, 6)),
    "lstm": lambda: ostinato.nn.LSTM(4, 6, 2, bidirectional=True, proj_size=3),
    "gru": lambda: ostinato.nn.GRU(4, 4, 2, residual=True, layer_norm=True, zoneout=0.1),
    "rnn": lambda: ostinato.nn.RNN(4, 6, recurrent_dropout=0.2),
}


@pytest.mark.parametrize("name", MODULES)
def test_shells_and_drop_ins(name: str) -> None:
    module, xs = MODULES[name](), torch.randn(8, 2, 4)
    made = exported(module, (torch.randn(5, 3, 4),), (TIMED,))
    torch.testing.assert_close(_tree.leaves(made(xs)), _tree.leaves(module(xs)), **TOLERANCE)


def test_a_repeater() -> None:
    module, x = ostinato.Repeater(cells.GRU(4, 6), 7), torch.randn(2, 4)
    made = exported(module, (torch.randn(3, 4),), ({0: B},))
    torch.testing.assert_close(made(x), module(x), **TOLERANCE)


class Scaled(Cell):
    """A cell with a constant that is no buffer, one that a step makes, and a transposed weight."""

    input_size = 4

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.tensor([0.5, 1.0, 1.5, 2.0])
        self.weight = nn.Parameter(torch.randn(4, 4) / 4)

    def initial_state(self, batch_size, *, dtype=None, device=None):
        return torch.zeros(batch_size, 4)

    def forward(self, x, h):
        h = torch.tanh(x @ self.weight.T + h @ self.weight * self.scale * torch.tensor(0.5))
        return h, h


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of torch, about its own code
def test_constants_of_a_step_become_those_of_the_program() -> None:
    module, xs = Sequencer(Scaled()), torch.randn(8, 2, 4)
    program = torch.export.export(module, (torch.randn(5, 3, 4),), dynamic_shapes=(TIMED,))
    assert "cell.scale" in program.constants
    made = program.run_decompositions().module()
    torch.testing.assert_close(made(xs), module(xs), **TOLERANCE)


def test_gradients_through_an_exported_program() -> None:
    module, xs = Sequencer(cells.GRU(4, 6)), torch.randn(8, 2, 4)
    made = exported(module, (torch.randn(5, 3, 4),), (TIMED,))
    ours = torch.autograd.grad(made(xs).square().sum(), [*made.parameters()])
    want = torch.autograd.grad(module(xs).square().sum(), [*module.parameters()])
    torch.testing.assert_close(ours, want, **TOLERANCE)


def test_one_scan_a_cell_and_none_for_what_has_no_state() -> None:
    module = Sequencer(nn.Linear(4, 5), cells.MGU(5, 6), nn.Linear(6, 2))
    program = torch.export.export(module, (torch.randn(5, 3, 4),), dynamic_shapes=(TIMED,))
    calls = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert sum(name == "scan" for name in calls) == 1
    assert sum(name == "aten.linear.default" for name in calls) == 2


def test_a_sequence_of_one_and_fixed_sizes() -> None:
    module, xs = Sequencer(cells.LSTM(4, 6)), torch.randn(1, 1, 4)
    torch.testing.assert_close(exported(module, (xs,), None)(xs), module(xs), **TOLERANCE)


class Torn(Scaled):
    """A step that gives another state than it takes."""

    def forward(self, x, h):
        return x, h[:, :2]


def test_what_cannot_be_exported_says_so() -> None:
    xs = (torch.randn(5, 3, 4),)
    with pytest.raises(ArgumentError, match=r"ostinato\.export\.stream"):
        torch.export.export(Sequencer(cells.LSTM(4, 6), remember="both"), xs)
    with pytest.raises(ArgumentError, match="Recursor: wanted"):
        torch.export.export(Recursor(cells.LSTM(4, 6)), (xs[0][0],))
    with pytest.raises(StateError, match="after a step of Torn"):
        torch.export.export(Sequencer(Torn()), xs)
    with pytest.raises(BackendError, match=r"while torch\.export is tracing"):
        with ostinato.backend("fused"):
            torch.export.export(Sequencer(cells.LSTM(4, 6)), xs)


class Packed(nn.Module):
    """A drop-in on packed rows."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = ostinato.nn.GRU(4, 6)

    def forward(self, xs: Tensor) -> Tensor:
        return self.layer(pack_sequence([xs, xs[:2]]))[1]


def test_packed_rows_are_refused() -> None:
    with pytest.raises(ArgumentError, match="lengths="):
        torch.export.export(Packed(), (torch.randn(5, 4),))


def test_tracing_leaves_a_module_as_it_was() -> None:
    module, xs = Sequencer(cells.LSTM(4, 6)), torch.randn(5, 3, 4)
    before = module(xs)
    torch.export.export(module, (xs,), dynamic_shapes=(TIMED,))
    torch.testing.assert_close(module(xs), before, rtol=0, atol=0)
    assert not isinstance(_tree.leaves(module.state)[0], torch._subclasses.FakeTensor)
