"""Every error at a public door names the argument, what was wanted, what came, and what to do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import ostinato
from catalogue import H, I, MinimalGated, lstm
from ostinato import (
    BiSequencer,
    BiSequencerLM,
    HeldDropout,
    Lift,
    Recurrence,
    Recurrent,
    RecurrentDropout,
    Recursor,
    Repeater,
    Residual,
    Sequencer,
    Stack,
    WeightDrop,
    Zoneout,
    attention,
    cells,
    chunks,
    detach,
    explain,
    flatten_parameters_and_grads,
    last,
    nonzero_rows,
    permutation_importance,
    reverse,
    torch7,
    unroll,
)
from ostinato.criteria import NormStabilizer, SequencerCriterion
from ostinato.errors import (
    ArgumentError,
    BackendError,
    DeviceError,
    DtypeError,
    OstinatoError,
    ShapeError,
    StateError,
)

XS = torch.zeros(5, 2, I)
CELL = lstm()
Z = torch.zeros
FLAGS = torch.ones(5, 2, dtype=torch.bool)


class Pair(nn.Module):
    """Gives a pair where h is wanted."""

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return h, h


class Alone(nn.Module):
    """Gives h where (h, ...) is wanted."""

    def forward(self, x: torch.Tensor, state: tuple[torch.Tensor]) -> torch.Tensor:
        return state[0]


def stepping(shell: Recursor | Sequencer, state: Any, x: Any) -> None:
    shell.state = state
    shell(x)


# what is called; the error; its argument; pieces of what was wanted and of what came
ROWS: dict[str, tuple[Callable[[], Any], type[OstinatoError], str, str, str]] = {
    # cells
    "input_size": (lambda: cells.GRU(-1, 3), ArgumentError, "input_size", "at least 0", "-1"),
    "hidden_size": (lambda: cells.LSTM(3, 0), ArgumentError, "hidden_size", "at least 1", "0"),
    "size of a giant": (
        lambda: cells.LSTM(3, 2**31 - 1),
        ArgumentError,
        "hidden_size",
        "fit into memory",
        "a weight",
    ),
    "abstract": (lambda: cells.GatedCell(3, 4), DtypeError, "cell", "can be made", "lacks step"),
    "abstract memory": (lambda: cells.GatedMemory(3, 4), DtypeError, "cell", "made", "abstract"),
    "dtype of weights": (
        lambda: cells.GRU(3, 4, dtype=torch.int64),
        DtypeError,
        "dtype",
        "torch.float32",
        "torch.int64",
    ),
    "dtype as text": (
        lambda: cells.MinGRU(3, 4, dtype="float32"),
        DtypeError,
        "dtype",
        "torch.float32",
        "'float32'",
    ),
    "device of weights": (
        lambda: cells.IndRNN(3, 4, device="gpu"),
        DeviceError,
        "device",
        "torch has here",
        "'gpu'",
    ),
    "None as state": (lambda: CELL(XS[0], None), StateError, "state", "before the step", "None"),
    "a batch of text": (lambda: CELL.initial_state("a"), ArgumentError, "batch_size", "", "'a'"),
    "a batch below 0": (lambda: CELL.initial_state(-1), ArgumentError, "batch_size", "", "-1"),
    "a batch too large": (
        lambda: CELL.initial_state(2**62),
        ArgumentError,
        "batch_size",
        "fits into memory",
        str(2**62),
    ),
    "a sparse step": (lambda: CELL(XS[0].to_sparse(), None), ShapeError, "x", "", "sparse"),
    # sequences
    "None in lengths": (
        lambda: unroll(CELL, XS, lengths=[None, 1]),
        DtypeError,
        "lengths",
        "whole numbers",
        "[None, 1]",
    ),
    "text for lengths": (
        lambda: unroll(CELL, XS, lengths="ab"),
        DtypeError,
        "lengths",
        "whole numbers",
        "'ab'",
    ),
    "lengths of more than 64 bits": (
        lambda: last(XS, [2**70, 1]),
        DtypeError,
        "lengths",
        "whole numbers",
        str(2**70),
    ),
    "lengths of unlike depth": (
        lambda: reverse(XS, [[1], [2, 3]]),
        DtypeError,
        "lengths",
        "whole numbers",
        "[[1]",
    ),
    "sparse lengths": (
        lambda: unroll(CELL, XS, lengths=torch.tensor([1, 2]).to_sparse()),
        DtypeError,
        "lengths",
        "whole numbers",
        "tensor",
    ),
    "lengths on meta": (
        lambda: unroll(CELL, XS, lengths=torch.empty(2, dtype=torch.long, device="meta")),
        DtypeError,
        "lengths",
        "whole numbers",
        "meta",
    ),
    "a dict for features": (
        lambda: unroll(CELL, {"a": XS}),
        ShapeError,
        "xs",
        f"[T, B, {I}]",
        "{'a': [5, 2, ",
    ),
    "a dict for nn": (lambda: ostinato.nn.LSTM(I, 4)({"a": XS}), DtypeError, "input", "", "dict"),
    "a dict with numbers as keys": (
        lambda: unroll(CELL, {1: XS, "a": XS}),
        DtypeError,
        "tree",
        "text as keys",
        "1, 'a'",
    ),
    "sparse xs": (lambda: unroll(CELL, XS.to_sparse()), DtypeError, "xs", "plain", "sparse_coo"),
    "sparse input of nn": (
        lambda: ostinato.nn.GRU(I, 4)(XS.to_sparse()),
        DtypeError,
        "xs",
        "plain",
        "sparse_coo",
    ),
    "nested xs": (
        lambda: unroll(CELL, torch.nested.nested_tensor([Z(2, I), Z(1, I)], layout=torch.jagged)),
        DtypeError,
        "xs",
        "plain",
        "nested",
    ),
    "a sparse mask": (
        lambda: unroll(CELL, XS, mask=FLAGS.to_sparse()),
        DtypeError,
        "mask",
        "a bool tensor",
        "sparse",
    ),
    "a sparse state": (
        lambda: unroll(CELL, XS, (Z(2, H).to_sparse(), Z(2, H))),
        DtypeError,
        "state[0]",
        "plain",
        "sparse",
    ),
    "a word for reverse": (
        lambda: unroll(CELL, XS, reverse="no"),
        DtypeError,
        "reverse",
        "True or False",
        "'no'",
    ),
    "pieces of text": (lambda: chunks(XS, "a"), ArgumentError, "length", "at least 1", "'a'"),
    "pieces of a number": (lambda: chunks(Z(()), 2), ShapeError, "xs", "[T, ...]", "[]"),
    "nothing to detach": (lambda: detach(None), StateError, "state", "a tensor", "NoneType"),
    "sparse rows": (lambda: nonzero_rows(XS.to_sparse()), DtypeError, "xs", "plain", "sparse"),
    # what is no module, and no tensor
    "no module to flatten": (
        lambda: flatten_parameters_and_grads(None),
        DtypeError,
        "module",
        "torch.nn.Module",
        "None",
    ),
    "no module to fill": (
        lambda: ostinato.init.initialise(None, "xavier"),
        DtypeError,
        "module",
        "torch.nn.Module",
        "None",
    ),
    "no features": (
        lambda: permutation_importance(CELL, None, torch.sum),
        DtypeError,
        "xs",
        "a tensor",
        "NoneType",
    ),
    "no images": (lambda: attention.glimpse(None, None, 3), DtypeError, "images", "", "NoneType"),
    "no criterion": (
        lambda: SequencerCriterion(None),
        DtypeError,
        "criterion",
        "torch.nn.Module",
        "None",
    ),
    # old models
    "no tensors": (
        lambda: torch7.load(CELL, None, "nn.FastLSTM"),
        DtypeError,
        "tensors",
        "module:parameters()",
        "NoneType",
    ),
    "a file name": (
        lambda: torch7.load(CELL, "model.t7", "nn.FastLSTM"),
        DtypeError,
        "tensors",
        "module:parameters()",
        "str",
    ),
    "None among tensors": (
        lambda: torch7.load(CELL, [Z(4 * H, I), None], "nn.FastLSTM"),
        DtypeError,
        "tensors[1]",
        "a tensor or an array",
        "NoneType",
    ),
    "text among tensors": (
        lambda: torch7.load(CELL, ["abc"], "nn.FastLSTM"),
        DtypeError,
        "tensors[0]",
        "a tensor or an array",
        "str",
    ),
    "complex tensors": (
        lambda: torch7.load(CELL, [Z(1, dtype=torch.complex64)], "nn.FastLSTM"),
        DtypeError,
        "tensors[0]",
        "real",
        "complex64",
    ),
    "a layout that is no name": (
        lambda: torch7.load(CELL, [], ["nn.FastLSTM"]),
        DtypeError,
        "layouts",
        "names",
        "['nn.FastLSTM']",
    ),
    "no old model": (lambda: torch7.export(None, "nn.LSTM"), DtypeError, "module", "", "None"),
    "float size": (lambda: cells.Elman(3, 2.0), ArgumentError, "hidden_size", "whole", "2.0"),
    "bool size": (lambda: cells.Elman(True, 2), ArgumentError, "input_size", "whole", "True"),
    "reset": (lambda: cells.GRU(3, 5, reset="x"), ArgumentError, "reset", '"after"', "'x'"),
    "activation": (
        lambda: cells.Elman(3, 5, activation="gelu"), ArgumentError, "activation", "'relu'", "gelu",
    ),
    "no activation": (
        lambda: cells.Elman(3, 5, activation=3), ArgumentError, "activation", "Module", "3",
    ),
    "proj_size": (lambda: lstm(proj_size=H), ArgumentError, "proj_size", "less than", "5"),
    "negative proj_size": (lambda: lstm(proj_size=-1), ArgumentError, "proj_size", "0", "-1"),
    "forget_bias": (
        lambda: lstm(bias=False, forget_bias=1.0),
        ArgumentError, "forget_bias", "bias=False", "1.0",
    ),
    "init_hh": (lambda: lstm(init_hh="eye"), ArgumentError, "init_hh", "'orthogonal'", "'eye'"),
    "no initialiser": (lambda: lstm(init_ih=0.1), ArgumentError, "init_ih", "function", "0.1"),
    "init_bias": (
        lambda: lstm(init_bias="orthogonal"), ArgumentError, "init_bias", "vectors", "orthogonal",
    ),
    "activation of a torch GRU": (
        lambda: cells.GRU(3, 5, activation="relu"), ArgumentError, "activation", "after", "'relu'",
    ),
    "peepholes": (
        lambda: cells.PeepholeLSTM(3, 5, peepholes="no"), ArgumentError, "peepholes", "full", "no",
    ),
    "size of peepholes": (
        lambda: cells.PeepholeLSTM(3, 5, proj_size=-1), ArgumentError, "proj_size", "0", "-1",
    ),
    "forget_bias of peepholes": (
        lambda: cells.PeepholeLSTM(3, 5, bias=False, forget_bias=1.0),
        ArgumentError, "forget_bias", "bias=False", "1.0",
    ),
    "operation": (
        lambda: cells.MuFuRu(3, 5, operations=("keep", "add")),
        ArgumentError, "operations", "'sqrt_diff'", "'add'",
    ),
    "no operations": (
        lambda: cells.MuFuRu(3, 5, operations=()), ArgumentError, "operations", "'keep'", "()",
    ),
    "an operation twice": (
        lambda: cells.MuFuRu(3, 5, operations=("max", "max")),
        ArgumentError, "operations", "each once", "('max', 'max')",
    ),
    "depth": (
        lambda: cells.RecurrentHighway(3, 5, depth=0), ArgumentError, "depth", "at least 1", "0",
    ),
    "transform_bias": (
        lambda: cells.RecurrentHighway(3, 5, bias=False, transform_bias=-1.0),
        ArgumentError, "transform_bias", "bias=False", "-1.0",
    ),
    "activation of an IndRNN": (
        lambda: cells.IndRNN(3, 5, activation="gelu"),
        ArgumentError, "activation", "'relu'", "gelu",
    ),
    "size of an SRU": (lambda: cells.SRU(0, 5), ArgumentError, "input_size", "1", "0"),
    # combinators
    "no gates": (
        lambda: ostinato.GateDropout(MinimalGated(3, 5)), DtypeError, "cell", "GatedCell", "Minim",
    ),
    "p of gates": (
        lambda: ostinato.GateDropout(CELL, 1.5), ArgumentError, "p", "less than 1", "1.5",
    ),
    "no layers": (lambda: Stack(), ArgumentError, "layers", "one layer", "none"),
    "skip": (lambda: Stack(CELL, skip="res"), ArgumentError, "skip", '"dense"', "'res'"),
    "no module": (lambda: Stack(torch.tanh), DtypeError, "module", "Module", "tanh"),
    "torch cell": (
        lambda: Stack(nn.LSTMCell(3, 5)), DtypeError, "module", "stateless", "torch.nn.LSTMCell",
    ),
    "torch layer": (lambda: Stack(nn.GRU(3, 5)), DtypeError, "module", "one step", "torch.nn.GRU"),
    "residual": (
        lambda: Residual(lstm())(Z(2, 3), CELL.initial_state(2)),
        ShapeError, "x", "[2, 5]", "[2, 3]",
    ),
    "hidden_size of a module": (
        lambda: Recurrence(nn.GRUCell(3, 5), {5}), ArgumentError, "hidden_size", "tuple", "{5}",
    ),
    "zero hidden_size": (
        lambda: Recurrence(nn.GRUCell(3, 5), 0), ArgumentError, "hidden_size", "positive", "0",
    ),
    "a list in a list": (
        lambda: Recurrence(nn.GRUCell(3, 5), [[5]]), ArgumentError, "hidden_size", "list", "[[5]]",
    ),
    "no sizes": (lambda: Recurrence(nn.GRUCell(3, 5), ()), ArgumentError, "hidden_size", "a", "()"),
    "no module to recur": (
        lambda: Recurrence(torch.tanh, 5), DtypeError, "module", "torch.nn.Module", "tanh",
    ),
    "a shell to recur": (
        lambda: Recurrence(Recursor(CELL), 5), DtypeError, "module", "one step", "Recursor",
    ),
    "no input": (
        lambda: Recurrent(5, 3, nn.Linear(5, 5)), DtypeError, "input", "torch.nn.Module", "3",
    ),
    "no transfer": (
        lambda: Recurrent(5, nn.Linear(3, 5), nn.Linear(5, 5), torch.tanh),
        DtypeError, "transfer", "torch.nn.Module", "tanh",
    ),
    "a module that returns a pair": (
        lambda: unroll(Recurrence(Pair(), 5), XS), DtypeError, "module", "-> state", "(y, state)",
    ),
    "a module that returns h alone": (
        lambda: unroll(Recurrence(Alone(), (5,)), XS),
        DtypeError, "module", "(h, ...)", "returned Tensor",
    ),
    "start of no size": (
        lambda: Recurrent(nn.Linear(5, 5), nn.Linear(3, 5), nn.Linear(5, 5)),
        ArgumentError, "hidden_size", "size of h", "None",
    ),
    "start of zero": (
        lambda: Recurrent(0, nn.Linear(3, 5), nn.Linear(5, 5)), ArgumentError, "start", "1", "0",
    ),
    "p of 1": (lambda: HeldDropout(3, 1.0), ArgumentError, "p", "less than 1", "1.0"),
    "p of a list": (lambda: Zoneout(CELL, [0.1, 0.2]), ArgumentError, "p", "probab", "[0.1, 0.2]"),
    "dropped size": (lambda: HeldDropout(-3), ArgumentError, "input_size", "at least 0", "-3"),
    "p of NaN": (lambda: WeightDrop(CELL, float("nan")), ArgumentError, "p", "probab", "nan"),
    "negative p": (lambda: RecurrentDropout(CELL, -0.1), ArgumentError, "p", "0", "-0.1"),
    "no state": (
        lambda: RecurrentDropout(Lift(nn.Tanh())), StateError, "cell", "with a state", "Lift",
    ),
    "zoneout p": (lambda: Zoneout(CELL, (0.1, 2.0)), ArgumentError, "p", "less than 1", "2.0"),
    "zoneout number": (lambda: Zoneout(CELL, (0.1,)), ArgumentError, "p", "2", "(0.1,)"),
    "no such weight": (
        lambda: WeightDrop(CELL, 0.1, ("weight_hx",)), ArgumentError, "names", "weight_hh", "hx",
    ),
    "no weight_hh": (
        lambda: WeightDrop(MinimalGated(3, 5), 0.1), ArgumentError, "names", "f.weight", "none",
    ),
    # shells
    "remember": (
        lambda: Sequencer(CELL, remember="always"), ArgumentError, "remember", "'eval'", "always",
    ),
    "remember later": (
        lambda: Recursor(CELL).remember("no"), ArgumentError, "remember", "'both'", "no",
    ),
    "no modules": (lambda: Sequencer(), ArgumentError, "layers", "one", "none"),
    "merge": (lambda: BiSequencer(CELL, merge="mul"), ArgumentError, "merge", '"sum"', "mul"),
    "no merge": (lambda: BiSequencer(CELL, merge=1), ArgumentError, "merge", "module", "1"),
    "no copy": (
        lambda: BiSequencer(ostinato.LearnedState(CELL)),
        ArgumentError, "backward", "reset_parameters", "None",
    ),
    "chunks": (lambda: ostinato.chunks(XS, 0), ArgumentError, "length", "1 step", "0"),
    "chunks of two lengths": (
        lambda: ostinato.chunks((XS, XS[:2]), 2), ArgumentError, "xs", "one length", "[2, 5]",
    ),
    "a list of steps to unroll two ways": (
        lambda: BiSequencer(CELL)([Z(2, I)]), DtypeError, "xs", "tensor", "a list",
    ),
    "a list of unlike steps": (
        lambda: Sequencer(CELL)([Z(2, I), Z(3, I)]), ShapeError, "xs[1]", "[2, 3]", "[3, 3]",
    ),
    "a list of numbers": (
        lambda: Sequencer(CELL)([Z(2, I), 3.0]), StateError, "xs[1]", "a tensor", "float",
    ),
    "lengths of a list": (
        lambda: Sequencer(CELL)([Z(2, I)], lengths=[2, 1]), ArgumentError, "lengths", "T=1", "2",
    ),
    "no module to sequence": (
        lambda: Sequencer("lstm"), DtypeError, "module", "torch.nn.Module", "'lstm'",
    ),
    "no module to go back": (
        lambda: BiSequencer(CELL, 3), DtypeError, "module", "torch.nn.Module", "3",
    ),
    "one step both ways": (
        lambda: BiSequencerLM(CELL)(XS[:1]), ShapeError, "xs", "at least 2 steps", "1",
    ),
    "merge of a language model": (
        lambda: BiSequencerLM(CELL, merge="mul"), ArgumentError, "merge", '"sum"', "mul",
    ),
    "num_steps": (lambda: Repeater(CELL, 0), ArgumentError, "num_steps", "at least 1", "0"),
    "num_steps of a float": (lambda: Repeater(CELL, 2.0), ArgumentError, "num_steps", "1", "2.0"),
    "a sequence to repeat": (
        lambda: Repeater(CELL, 2)(XS), ShapeError, "x", "one step [B, 3]", "[5, 2, 3]",
    ),
    "a number to repeat": (
        lambda: Repeater(nn.Tanh(), 2)(Z(())), ShapeError, "x", "[B, ...]", "a number",
    ),
    "reverse a list": (lambda: reverse([Z(2)]), DtypeError, "xs", "tensor", "a list"),
    "reverse too much": (lambda: reverse(XS, [6, 1]), ArgumentError, "lengths", "T=5", "1 to 6"),
    "last of a vector": (lambda: last(Z(3)), ShapeError, "ys", "time first", "[3]"),
    "last of fewer rows": (lambda: last(XS, [1]), ShapeError, "lengths", "[2]", "[1]"),
    "beta": (lambda: NormStabilizer(-1), ArgumentError, "beta", "at least 0", "-1"),
    "reduction": (
        lambda: NormStabilizer(reduction="none"), ArgumentError, "reduction", '"mean"', "none",
    ),
    "norms of a pair": (lambda: NormStabilizer()((XS, XS)), ShapeError, "hs", "[T, B, H]", "([5"),
    "norms of numbers": (lambda: NormStabilizer()(XS[0]), ShapeError, "hs", "[T, B, H]", "[2, 3]"),
    "a sequence to a step": (lambda: Recursor(CELL)(XS), ShapeError, "x", "[B, 3]", "[5, 2, 3]"),
    "a number to a recursor": (
        lambda: Recursor(nn.Tanh())(Z(())), ShapeError, "x", "[B, ...]", "a number",
    ),
    "nothing to a recursor": (
        lambda: Recursor(nn.Tanh())(()), ShapeError, "x", "[B, ...]", "no tensor",
    ),
    "state of a recursor": (
        lambda: stepping(Recursor(CELL), (Z(2, 4), Z(2, H)), Z(2, I)),
        StateError, "state[0]", "[2, 5]", "[2, 4]",
    ),
    "state of a sequencer": (
        lambda: stepping(Sequencer(CELL), Z(2, H), XS), StateError, "state", "([2, 5]", "[2, 5]",
    ),
    "flatten nothing": (
        lambda: ostinato.flatten_parameters_and_grads(nn.Tanh()),
        ArgumentError, "module", "with parameters", "Tanh",
    ),
    "flatten two dtypes": (
        lambda: ostinato.flatten_parameters_and_grads(
            nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
        ),
        DtypeError, "module", "torch.float32", "torch.float64",
    ),
    "flatten two devices": (
        lambda: ostinato.flatten_parameters_and_grads(
            nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, device="meta"))
        ),
        DeviceError, "module", "cpu", "meta",
    ),
    # a step
    "a sequence to a cell": (
        lambda: CELL(XS, None), ShapeError, "x", "one step [B, 3] for LSTM", "[5, 2, 3]",
    ),
    # unroll
    "features": (lambda: unroll(CELL, Z(5, 2, 4)), ShapeError, "xs", "[T, B, 3]", "[5, 2, 4]"),
    "one sequence": (lambda: unroll(CELL, Z(5, 3)), ShapeError, "xs", "[T, B, 3]", "[5, 3]"),
    "rank of a tree": (
        lambda: unroll(Lift(nn.Tanh()), (XS, Z(5))), ShapeError, "xs[1]", "[5, 2, ...]", "[5]",
    ),
    "empty tree": (lambda: unroll(Lift(nn.Tanh()), ()), ShapeError, "xs", "one tensor", "empty"),
    "list": (lambda: unroll(CELL, [Z(2, I)]), DtypeError, "xs", "tensor", "a list"),
    "dtype": (lambda: unroll(CELL, XS.double()), DtypeError, "xs", "float32", "float64"),
    "integers": (lambda: unroll(CELL, XS.long()), DtypeError, "xs", "features", "int64"),
    "device": (lambda: unroll(CELL, XS.to("meta")), DeviceError, "xs", "cpu", "meta"),
    "second dtype": (
        lambda: unroll(Stack(nn.Linear(3, 3)), {"a": XS, "b": XS.double()}),
        DtypeError, "xs['b']", "float32", "float64",
    ),
    "both": (
        lambda: unroll(CELL, XS, lengths=[5, 5], mask=FLAGS),
        ArgumentError, "lengths", "either", "both",
    ),
    "lengths shape": (lambda: unroll(CELL, XS, lengths=[5]), ShapeError, "lengths", "[2]", "[1]"),
    "lengths dtype": (
        lambda: unroll(CELL, XS, lengths=Z(2)), DtypeError, "lengths", "whole", "float32",
    ),
    "lengths too long": (
        lambda: unroll(CELL, XS, lengths=[6, 1]), ArgumentError, "lengths", "T=5", "1 to 6",
    ),
    "negative lengths": (
        lambda: unroll(CELL, XS, lengths=[5, -1]), ArgumentError, "lengths", "from 0", "-1 to 5",
    ),
    "mask dtype": (
        lambda: unroll(CELL, XS, mask=FLAGS.long()), DtypeError, "mask", "bool", "int64",
    ),
    "mask type": (lambda: unroll(CELL, XS, mask=[1]), DtypeError, "mask", "bool tensor", "list"),
    "mask shape": (
        lambda: unroll(CELL, XS, mask=FLAGS.T), ShapeError, "mask", "[5, 2]", "[2, 5]",
    ),
    "resets shape": (
        lambda: unroll(CELL, XS, resets=FLAGS[0]), ShapeError, "resets", "[5, 2]", "[2]",
    ),
    "state tree": (
        lambda: unroll(CELL, XS, [Z(2, H)] * 2), StateError, "state", "([2, 5], [2, 5])", "list",
    ),
    "state number": (
        lambda: unroll(CELL, XS, (Z(2, H),)), StateError, "state", "([2, 5], [2, 5])", "([2, 5],)",
    ),
    "state shape": (
        lambda: unroll(CELL, XS, (Z(2, H), Z(3, H))), StateError, "state[1]", "[2, 5]", "[3, 5]",
    ),
    "state dtype": (
        lambda: unroll(CELL, XS, (Z(2, H).double(), Z(2, H))),
        StateError, "state[0]", "float32", "float64",
    ),
    "state device": (
        lambda: unroll(CELL, XS, (Z(2, H), Z(2, H, device="meta"))),
        DeviceError, "state[1]", "cpu", "meta",
    ),
    "backend": (lambda: unroll(CELL, XS, backend="x"), ArgumentError, "backend", "'auto'", "'x'"),
    "refused": (
        lambda: unroll(lstm(layer_norm=True), XS, backend="aten"),
        BackendError, "backend", "'aten' can run", "no layer norm",
    ),
    "nothing to explain": (
        lambda: explain(CELL, XS[:0]), ShapeError, "xs", "one step", "[0, 2, 3]",
    ),
    "no sample to explain": (
        lambda: explain(nn.Tanh()), ArgumentError, "xs", "a sample input", "None",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_says_what_and_what_to_do(name: str) -> None:
    call, kind, argument, wanted, got = ROWS[name]
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert error.argument.startswith(argument)
    assert wanted in error.wanted
    assert got in error.got
    assert error.remedy.endswith((".", ")")), "an error says what to do about it"
    want = f"{error.argument}: wanted {error.wanted}, got {error.got}. {error.remedy}"
    assert str(error) == want


def test_errors_are_pythons_own_kinds_as_well() -> None:
    kinds = {
        ArgumentError: ValueError,
        ShapeError: ValueError,
        StateError: ValueError,
        DeviceError: ValueError,
        DtypeError: TypeError,
        BackendError: RuntimeError,
    }
    for kind, base in kinds.items():
        error = kind("x", wanted="a", got="b")
        assert isinstance(error, base)
        assert isinstance(error, OstinatoError)
        assert str(error) == "x: wanted a, got b."


def test_errors_cross_processes() -> None:
    """A worker's error reaches its parent by pickle."""
    error = ShapeError("x", wanted="a", got="b", remedy="Do c.")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert (again.argument, again.remedy) == ("x", "Do c.")


def test_a_transposed_mask_is_recognised() -> None:
    with pytest.raises(ShapeError, match=r"use \.T"):
        unroll(CELL, XS, mask=FLAGS.T)


def test_remedies_for_torch_cells_can_be_pasted() -> None:
    for module, said in ((nn.LSTMCell(3, 5), "(5, 5)"), (nn.GRUCell(3, 5), "5")):
        with pytest.raises(DtypeError, match=r"Recurrence\(module") as caught:
            unroll(module, XS)
        assert f"Recurrence(module, {said})" in str(caught.value)
        ys, _ = unroll(Recurrence(module, eval(said)), XS)
        assert ys.shape == (5, 2, 5)
