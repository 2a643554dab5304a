"""The language model: a cell from one token to the scores of the next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato import (
    HeldDropout,
    NormPenalty,
    RecurrentDropout,
    Residual,
    Stack,
    WeightDrop,
    Zoneout,
    _tree,
    unroll,
)
from ostinato.cell import Cell
from ostinato.cell_names import draw_as_minpy, make_layer, output_size
from ostinato.combine.composite import Wrapper
from ostinato.criteria import NCELoss
from ostinato.data.memory import check_layers, within_memory
from ostinato.errors import ArgumentError
from ostinato.init import initialise, uniform
from ostinato.text.output import Adaptive, Contrastive, Output, Softmax
from ostinato.text.settings import ModelSettings, parse_cutoffs
from ostinato.typing import State


@final
class OneHot(nn.Module):
    """Ids [...] to one-hot vectors [..., V]."""

    like: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        # Only tells the dtype and device of the model, which ids do not have.
        self.register_buffer("like", torch.zeros(()), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        return F.one_hot(ids, self.size).to(self.like)

    def extra_repr(self) -> str:
        return str(self.size)


@final
class LanguageModel(Wrapper):
    """Scores of the next token: x [B] (ids) to y [B, V]; a cell like any other.

    Over a text it is ``ys, state = unroll(model, xs, state)`` with xs [T, B] and ys [T, B, V],
    whose softmax are probabilities. It is a `Stack` of an embedding (or one-hot vectors), the
    recurrent layers, and an output layer, a `text.output.Output`; what is below that is a cell of
    its own, ``features``. With ``tied`` the output layer uses the embedding's weights (Press and
    Wolf 2017), after a projection where the layers' size is not the embedding's. The outputs
    adaptive and nce want the ``counts`` [V] of the tokens to learn from (``corpus.frequencies``).
    Raises ArgumentError where they are missing, and for a model of both directions.
    """

    @within_memory("model", "a model")
    def __init__(
        self, vocabulary: int, settings: ModelSettings | None = None, counts: Tensor | None = None
    ) -> None:
        settings = settings or ModelSettings()
        if settings.direction != "forward":
            raise ArgumentError(
                "direction",
                wanted="forward, as a cell knows nothing of what comes after its step",
                got=repr(settings.direction),
                remedy="Use text.BidirectionalModel.",
            )
        check_layers(settings.cell, settings.layers, settings.size)
        embedding, width = make_embedding(vocabulary, settings)
        layers, width = make_layers(settings, width)
        super().__init__(
            Stack(embedding, *layers, *make_output(settings, width, vocabulary, embedding, counts))
        )
        self.vocabulary, self.settings = vocabulary, settings
        self.input_size = None
        draw_uniform(self, self.output, settings.uniform)

    def wire(self, run: Any, x: Any, state: State) -> tuple[Any, State]:
        return run(self.cell, x, state)

    @property
    def output(self) -> Output:
        """The last layer."""
        return cast("Output", cast("Stack", self.cell).cells[-1])

    @property
    def features(self) -> Stack:
        """All layers but the last, as a cell: ids [B] to h [B, D], which the output reads."""
        return Stack(*cast("Stack", self.cell).cells[:-1])

    def loss(self, xs: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The loss to train by, of ids xs and targets [T, B], and the state after them."""
        h, state = unroll(self.features, xs, state[:-1])
        return self.output.loss(h, targets), (*state, ())


def redraw_masks(model: Cell, state: State) -> State:
    """The state with the values it has, and new dropout masks where masks are held in it.

    Truncated back-propagation carries values from piece to piece, but a mask should hold for one
    piece only: held for a whole epoch it would make another, smaller model of each column.
    """
    if not any(leaf.dtype == torch.bool for leaf in _tree.leaves(state)):
        return state
    fresh = model.initial_state(_batch_size(state))
    return _tree.map(lambda old, made: made if old.dtype == torch.bool else old, state, fresh)


def _batch_size(state: State) -> int:
    # Leaves that all rows share have a leading 1.
    return max(leaf.shape[0] for leaf in _tree.leaves(state))


def make_embedding(vocabulary: int, settings: ModelSettings) -> tuple[nn.Module, int]:
    """What turns ids [...] into features [..., n], and n."""
    if settings.embedding:
        return nn.Embedding(vocabulary, settings.embedding), settings.embedding
    return OneHot(vocabulary), vocabulary


def make_layers(settings: ModelSettings, width: int) -> tuple[list[nn.Module], int]:
    """The recurrent layers with their dropout, and the features of the last."""
    layers = [_dropout(settings, settings.input_dropout, width)]
    for number in range(settings.layers):
        layer, width = _layer(settings, width, residual=settings.residual and number > 0)
        layers += [layer, _dropout(settings, settings.dropout, width)]
    return layers, width


def make_output(
    settings: ModelSettings,
    width: int,
    vocabulary: int,
    embedding: nn.Module,
    counts: Tensor | None,
) -> Iterator[nn.Module]:
    """The `Output`, below it the projection that tied weights may need."""
    if settings.output == "softmax":
        if settings.tied:
            yield from _tied(cast("nn.Embedding", embedding), width)
        else:
            yield Softmax(_linear(settings, width, vocabulary))
    elif counts is None:
        raise ArgumentError(
            "counts",
            wanted=f"how often each token is seen, for the output {settings.output}",
            got="None",
            remedy="Pass LanguageModel(vocabulary, settings, corpus.frequencies).",
        )
    elif settings.output == "adaptive":
        written = settings.cutoffs
        yield Adaptive(width, counts, parse_cutoffs(written) if written else None)
    else:
        yield Contrastive(width, counts, settings.nce_samples or 100)


def draw_uniform(model: nn.Module, output: Output, bound: float | None) -> None:
    """Fill a model from [-bound, bound], but for an output with biases that its loss wants."""
    if bound is not None:
        initialise(model, uniform(bound))
        if isinstance(output, Contrastive):
            cast("NCELoss", output.module).reset_parameters()


def _layer(settings: ModelSettings, width: int, *, residual: bool) -> tuple[Cell, int]:
    options = {"layer_norm": True} if settings.layer_norm else {}
    cell = make_layer(settings.cell, width, settings.size, init=settings.init, **options)
    if settings.recurrent_dropout:
        cell = RecurrentDropout(cell, settings.recurrent_dropout)
    if settings.zoneout:
        cell = Zoneout(cell, settings.zoneout)
    if settings.weight_drop:
        # outermost, so that the weights are dropped once a piece and not at every step
        cell = WeightDrop(cell, settings.weight_drop)
    if settings.norm_penalty:
        cell = Stack(cell, NormPenalty(settings.norm_penalty))
    out = output_size(cell, width)
    return (Residual(cell) if residual else cell), out


def _dropout(settings: ModelSettings, p: float, width: int) -> nn.Module:
    # An identity holds its place, so that weights have the same names with and without dropout.
    if p == 0:
        return nn.Identity()
    return HeldDropout(width, p) if settings.held_dropout else nn.Dropout(p)


def _linear(settings: ModelSettings, width: int, vocabulary: int) -> nn.Linear:
    output = nn.Linear(width, vocabulary)
    if settings.init == "xavier":
        draw_as_minpy(output.weight)
        draw_as_minpy(output.bias)
    elif settings.init != "torch":
        nn.init.xavier_uniform_(output.weight)
        nn.init.zeros_(output.bias)
    return output


def _tied(embedding: nn.Embedding, width: int) -> Iterator[nn.Module]:
    vocabulary, size = embedding.weight.shape
    if width != size:
        yield nn.Linear(width, size, bias=False)
    output = nn.Linear(size, vocabulary)
    # Scores of about unit size at the start, as nn.Linear would give: N(0, 1) is for lookups.
    nn.init.normal_(embedding.weight, std=size**-0.5)
    output.weight = embedding.weight
    yield Softmax(output)
