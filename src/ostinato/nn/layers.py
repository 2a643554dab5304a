"""What RNN, LSTM and GRU share: layers and directions of cells, each run by `ostinato.unroll`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar, cast, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.rnn import PackedSequence

from ostinato import _padding, _tree
from ostinato._exporting import exporting
from ostinato.backends import in_graph
from ostinato.backends.call import Memo, initial_state
from ostinato.backends.dynamo import closed
from ostinato.backends.eager import steps
from ostinato.cell import Cell, OverTime, as_cell
from ostinato.combine.dropout import Held
from ostinato.errors import ArgumentError
from ostinato.nn import check, form, options, wrap
from ostinato.nn.qconfig import qconfig
from ostinato.nn.template import Kept, filled, take_tensors, template
from ostinato.sequence import check as sequence_check
from ostinato.sequence.unroll import unroll
from ostinato.typing import State

AXES = ((0, 1), (1,), (0,), (1,))
"""Where T and B, or B alone, stand in xs, hx, lengths, and the last state."""

S = TypeVar("S")
"""The tree of the state: hx, and h_n."""

Pair: TypeAlias = tuple[Tensor, Tensor]
"""The state (h, c) of an LSTM."""


class Layers(OverTime, Generic[S]):
    """L layers of cells in D directions, called as torch.nn's recurrent modules are.

    The parameters of all cells are parameters of this module: ``weight_hh`` of the backward cell
    in layer 1 is ``weight_hh_l1_reverse``, and ``a.b`` of a cell is ``a_b_l0``.
    """

    mode: str
    layer_norm: bool
    output_is_kept: ClassVar[bool] = False
    """Whether the backward reads the output, which then must not be changed in place."""

    def __init__(
        self,
        make: options.MakeCell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int = 0,
        *,
        own_cell: bool,
        recurrent_dropout: float,
        zoneout: float | tuple[float, ...],
        residual: bool,
    ) -> None:
        super().__init__()
        options.check_dropout(dropout, num_layers)
        options.check_type("bias", bias, bool, "It says whether cells have biases.")
        options.check_type("batch_first", batch_first, bool, "True stands for [B, T, I].")
        options.check_count("input_size", input_size, "It counts features.")
        options.check_count("hidden_size", hidden_size, "It counts features.")
        options.check_count("num_layers", num_layers, "It counts layers.")
        options.check_proj_size(proj_size, hidden_size)
        # those of NumPy are taken too
        self.input_size, self.hidden_size = int(input_size), int(hidden_size)
        self.num_layers = int(num_layers)
        self.bias, self.batch_first, self.bidirectional = bias, batch_first, bidirectional
        self.dropout, self.proj_size = float(dropout), int(proj_size)
        self.recurrent_dropout, self.zoneout, self.residual = recurrent_dropout, zoneout, residual
        self._own_cell = own_cell
        self._take(make)

    def _take(self, make: options.MakeCell) -> None:
        """Make the cells, and take over their tensors."""
        given = self._width * self._directions
        widths = [self.input_size] + [given] * (self.num_layers - 1)
        if self.residual and given not in widths:
            raise ArgumentError(
                "residual",
                wanted=f"False, as no layer gives as many features as it reads ({self.input_size})",
                got="True",
                remedy=f"Add layers, or project the input to {given} features.",
            )
        # all cells before all wrappers: wrappers may draw, and cells must draw what torch draws
        cells = [
            as_cell(make(n, self.hidden_size)) for n in widths for _ in range(self._directions)
        ]
        self._form = wrap.common_form(cells)
        self._memo = Memo()
        self._cell_name = type(cells[0]).__name__
        self._templates: tuple[nn.Module, ...] = ()
        self._names: list[list[str]] = []
        for index, cell in enumerate(cells):
            held = len(self._parameters)
            wrapped, rename = wrap.wrapped(
                cell, self.recurrent_dropout, self.zoneout, self._suffix(index)
            )
            take_tensors(self, wrapped, rename)
            self._names.append(list(self._parameters)[held:])
            self._templates += (template(wrapped, rename),)

    @property
    def _directions(self) -> int:
        """D."""
        return 2 if self.bidirectional else 1

    @property
    def _width(self) -> int:
        """The features that a cell gives."""
        return self.proj_size or self.hidden_size

    def _suffix(self, index: int) -> str:
        layer, backward = divmod(index, self._directions)
        return f"_l{layer}" + ("_reverse" if backward else "")

    def _filled(self) -> list[Cell]:
        """The cells with the tensors of this moment: layer by layer, forward before backward."""
        memo = self._memo
        kept = memo.found()
        if kept is None or not kept.hold(self):
            held = partial(getattr, self)
            cells = [filled(t, held, self.training) for t in self._templates]
            kept = Kept(self._templates, cells, self.training)
            memo.note(kept if kept.lasting else None)
        return cast("list[Cell]", kept.cells)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: form.Lengths = None,
    ) -> tuple[Any, Any]:
        """A sequence, and the state before its first step, to (output, h_n).

        Args:
            input: [T, B, I]; [B, T, I] with ``batch_first``; [T, I] for one sequence without
                a batch; or a PackedSequence.
            hx: the state before the first step, of the form of h_n; None for the cells' own.
            lengths: [B], whole numbers from 0 to T, a tensor on any device or a list: row b has
                its first ``lengths[b]`` steps. Beyond them input is not read and output is zero.

        Returns:
            output of the form of input, with D*R features (D*H where there is no projection),
            and h_n: each row's state after its own last step (in its own direction), its leaves
            [L*D, B, ...] stacked over layers, and in a layer forward before backward. Without a
            batch, B is left out.

        Raises ShapeError, DtypeError, DeviceError, StateError and ArgumentError, which are also
        of the type that torch.nn raises where it raises ValueError or RuntimeError.
        """
        if exporting():
            refuse_export(input)
        if isinstance(input, PackedSequence):
            return self._packed(input, hx, lengths)
        rank = check.rank(input, self.input_size)
        check.features(input, self.input_size)
        if rank == 2:
            self._refuse_lengths(lengths, "an input [T, I] without a batch")
            return form.unbatched(self._run, input, self._checked(input, hx, None))
        hx = self._checked(input, hx, input.shape[0 if self.batch_first else 1])
        return form.batched(self._run, input, hx, lengths, self.batch_first)

    @closed
    def _packed(
        self, input: PackedSequence, hx: Any, lengths: form.Lengths
    ) -> tuple[PackedSequence, State]:
        """The forward of a PackedSequence, whose sizes no graph of torch.compile can know."""
        self._refuse_lengths(lengths, "a PackedSequence, which holds its own")
        check.packed_data(input.data, self.input_size)
        hx = self._checked(input.data, hx, int(input.batch_sizes[0]))
        return form.packed(self._run, input, hx)

    if TYPE_CHECKING:

        @overload
        def __call__(
            self, input: Tensor, hx: Any = None, *, lengths: form.Lengths = None
        ) -> tuple[Tensor, S]: ...
        @overload
        def __call__(
            self, input: PackedSequence, hx: Any = None, *, lengths: None = None
        ) -> tuple[PackedSequence, S]: ...
        def __call__(self, input: Any, hx: Any = None, *, lengths: Any = None) -> Any: ...

    def _refuse_lengths(self, lengths: form.Lengths, given: str) -> None:
        if lengths is not None:
            raise ArgumentError(
                "lengths",
                wanted=f"None with {given}",
                got=type(lengths).__name__,
                remedy="Pass a padded tensor of three dimensions with lengths=.",
            )

    def _checked(self, x: Tensor, hx: Any, batch_size: int | None) -> State:
        """hx as a tree, after the dtype and device of x; None where there is nothing to carry."""
        if not self._own_cell:
            check.kind(x, getattr(self, self._names[0][0]))
        if hx is None:
            return None
        hx = check.hidden(hx, self._form, len(self._templates), batch_size, x)
        return hx if _tree.leaves(hx) else None

    def _run(self, xs: Tensor, hx: State, lengths: form.Lengths) -> tuple[Tensor, State]:
        """xs [T, B, I] and leaves [L*D, B, ...] to ys [T, B, D*R] and leaves [L*D, B, ...]."""
        given = (xs, hx, lengths)
        if in_graph.compiling():
            return in_graph.run(Layers._run_all, self, given, AXES, ())
        return self._run_all(*given)

    @closed
    def _run_all(self, xs: Tensor, hx: State, lengths: form.Lengths) -> tuple[Tensor, State]:
        """All layers in all directions."""
        if lengths is not None and self.residual:
            mask, lengths = sequence_check.mask(None, lengths, xs.shape[0], xs.shape[1], xs.device)
            assert mask is not None
            # a skip carries the padding past the cells
            xs = _padding.zero_masked(xs, mask)
        cells = self._filled()
        before = self._before(cells, hx, xs)
        after: list[State] = []
        ys = xs
        for layer in range(self.num_layers):
            here = slice(layer * self._directions, (layer + 1) * self._directions)
            ys, states = self._run_layer(cells[here], xs, before[here], lengths)
            after += states
            if self.dropout and layer < self.num_layers - 1:
                ys = F.dropout(ys, self.dropout, self.training)
            xs = xs + ys if self.residual and xs.shape == ys.shape else ys
        if xs is ys and self._directions == 1 and xs.requires_grad and not self.output_is_kept:
            xs = xs.clone()
        return xs, stacked(after)

    def _before(self, cells: list[Cell], hx: State, xs: Tensor) -> list[State]:
        """The state of each cell before its first step; None for its initial state."""
        if hx is None:
            return [None] * len(cells)
        states = steps(hx)
        if not self.recurrent_dropout:
            return states
        fresh = [initial_state(cell, xs, xs.shape[1]) for cell in cells]
        return [Held(state, held.mask) for state, held in zip(states, fresh, strict=True)]

    def _run_layer(
        self, cells: list[Cell], xs: Tensor, before: list[State], lengths: form.Lengths
    ) -> tuple[Tensor, list[State]]:
        """The directions of one layer, side by side: ys [T, B, D*R], and the states after."""
        outputs: list[Tensor] = []
        after: list[State] = []
        for cell, state, reverse in zip(cells, before, (False, True), strict=False):
            ys, state = unroll(cell, xs, state, lengths=lengths, reverse=reverse)
            check.output(self._cell_name, ys, self._width)
            outputs.append(ys)
            after.append(state.state if self.recurrent_dropout else state)
        return (outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)), after

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, one list for each layer and direction, as torch.nn orders them."""
        return [[getattr(self, name) for name in names] for names in self._names]

    # what published code reads of torch.nn's layers
    @property
    def _all_weights(self) -> list[list[str]]:
        return [list(names) for names in self._names]

    @property
    def _flat_weights_names(self) -> list[str]:
        return [name for names in self._names for name in names]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names]

    qconfig = qconfig

    def flatten_parameters(self) -> None:
        """Nothing: here for callers of torch.nn, where it gathers the weights for cuDNN."""

    def reset_parameters(self) -> None:
        """Draw all parameters anew, in the way in which the cells first drew them."""
        drawn = {name: getattr(self, name) for names in self._names for name in names}
        drawn |= dict(self.named_buffers(recurse=False))
        with torch.no_grad():
            for cell in self._templates:
                for module in filled(cell, drawn.__getitem__, self.training).modules():
                    reset = getattr(module, "reset_parameters", None)
                    if callable(reset):
                        reset()
            for name in filter(partial(parametrize.is_parametrized, self), drawn):
                setattr(self, name, drawn[name])  # the parametrization takes the value back

    def extra_repr(self) -> str:
        default = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
            "layer_norm": False,
            "recurrent_dropout": 0,
            "zoneout": 0,
            "residual": False,
        }
        said = [f"{self.input_size}, {self.hidden_size}"]
        said += [f"{k}={getattr(self, k)}" for k, v in default.items() if getattr(self, k) != v]
        said += [f"cell={self._cell_name}"] if self._own_cell else []
        return ", ".join(said)


def stacked(states: list[State]) -> State:
    """The states of all cells as one, with leaves [L*D, B, ...]."""
    first = states[0]
    if isinstance(first, Tensor):
        return torch.stack(states)
    if type(first) is tuple and all(isinstance(leaf, Tensor) for leaf in first):
        # the usual case, without a walk through trees
        return tuple([torch.stack(leaves) for leaves in zip(*states, strict=True)])
    return _tree.map(lambda *leaves: torch.stack(leaves), *states)


def refuse_export(input: Tensor | PackedSequence) -> None:
    """Raise ArgumentError for what cannot be in a graph that `torch.export` makes."""
    if isinstance(input, PackedSequence):
        raise ArgumentError(
            "input",
            wanted="a padded tensor while torch.export is tracing",
            got="a PackedSequence, whose number of rows at each step a graph would fix",
            remedy="Pass the padded tensor with lengths=, which may be an input of the graph.",
        )
    if torch.compiler.is_dynamo_compiling():
        raise ArgumentError(
            "strict",
            wanted="strict=False, torch's default, as Dynamo cannot look into a drop-in's cells",
            got="True",
            remedy="Or export unroll(cell, xs) with a cell of ostinato.cells.",
        )
