"""The language model: a cell from one token to the scores of the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato import HeldDropout, RecurrentDropout, Residual, Stack, WeightDrop, Zoneout, _tree
from ostinato.cell import Cell
from ostinato.cell_names import INITS, initial_weights, make_cell, output_size
from ostinato.combine.composite import Wrapper
from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError
from ostinato.typing import State


@dataclass(frozen=True)
class ModelSettings(Settings):
    """The parts of a language model and their sizes."""

    cell: str = setting("lstm", "lstm, gru, elman, or any cell as package.module:Class.")
    layers: int = setting(1, "Recurrent layers.", least=1)
    size: int = setting(256, "Hidden units of each layer.", least=1)
    embedding: int = setting(64, "Size of the token embedding; 0 reads tokens one-hot.", least=0)
    tied: bool = setting(False, "Use the embedding's weights in the output layer too.")
    residual: bool = setting(False, "Add its input to the output of each layer but the first.")
    layer_norm: bool = setting(False, "Normalise the gates of the cell.")
    init: str = setting(
        "orthogonal",
        "How the recurrent weights of lstm, gru and elman begin; torch: all weights as torch's.",
        choices=INITS,
    )
    input_dropout: float = setting(0.1, "Dropout on the embedding.", least=0, below=1)
    dropout: float = setting(0.3, "Dropout on the output of each layer.", least=0, below=1)
    held_dropout: bool = setting(
        True, "Hold each dropout mask for a whole piece of T steps, in place of one step."
    )
    recurrent_dropout: float = setting(
        0.0, "Dropout on the state that the recurrent weights read.", least=0, below=1
    )
    weight_drop: float = setting(0.0, "Dropout of the recurrent weights.", least=0, below=1)
    zoneout: float = setting(0.0, "Share of the state that keeps its old value.", least=0, below=1)


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
    """Scores of the next token: x [B] (ids) to y [B, V] (logits); a cell like any other.

    Over a text it is ``ys, state = unroll(model, xs, state)`` with xs [T, B] and ys [T, B, V]. It
    is a `Stack` of an embedding (or one-hot vectors), the recurrent layers, and an output layer.
    With ``tied`` the output layer uses the embedding's weights (Press and Wolf 2017), after a
    projection where the layers' size is not the embedding's. Raises ArgumentError for settings
    that contradict each other.
    """

    def __init__(self, vocabulary: int, settings: ModelSettings | None = None) -> None:
        settings = settings or ModelSettings()
        _check(settings)
        super().__init__(Stack(*_parts(vocabulary, settings)))
        self.vocabulary, self.settings = vocabulary, settings
        self.input_size = None

    def wire(self, run: Any, x: Any, state: State) -> tuple[Any, State]:
        return run(self.cell, x, state)


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


def _parts(vocabulary: int, settings: ModelSettings) -> Iterator[nn.Module]:
    width = settings.embedding or vocabulary
    embedding = nn.Embedding(vocabulary, width) if settings.embedding else None
    yield embedding or OneHot(vocabulary)
    yield _dropout(settings, settings.input_dropout, width)
    for number in range(settings.layers):
        layer, out = _layer(settings, width, residual=settings.residual and number > 0)
        yield layer
        yield _dropout(settings, settings.dropout, out)
        width = out
    if settings.tied:
        assert embedding is not None
        yield from _tied(embedding, width)
    else:
        yield _linear(settings, width, vocabulary)


def _layer(settings: ModelSettings, width: int, *, residual: bool) -> tuple[Cell, int]:
    options = initial_weights(settings.cell, settings.init)
    if settings.layer_norm:
        options["layer_norm"] = True
    cell = make_cell(settings.cell, width, settings.size, **options)
    if settings.recurrent_dropout:
        cell = RecurrentDropout(cell, settings.recurrent_dropout)
    if settings.zoneout:
        cell = Zoneout(cell, settings.zoneout)
    if settings.weight_drop:
        # outermost, so that the weights are dropped once a piece and not at every step
        cell = WeightDrop(cell, settings.weight_drop)
    out = output_size(cell, width)
    return (Residual(cell) if residual else cell), out


def _dropout(settings: ModelSettings, p: float, width: int) -> nn.Module:
    # An identity holds its place, so that weights have the same names with and without dropout.
    if p == 0:
        return nn.Identity()
    return HeldDropout(width, p) if settings.held_dropout else nn.Dropout(p)


def _linear(settings: ModelSettings, width: int, vocabulary: int) -> nn.Linear:
    output = nn.Linear(width, vocabulary)
    if settings.init != "torch":
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
    yield output


def _check(settings: ModelSettings) -> None:
    if settings.tied and not settings.embedding:
        raise ArgumentError(
            "tied",
            wanted="an embedding, whose weights the output layer can use",
            got="embedding=0, one-hot input",
            remedy="Give an embedding size or leave tied off.",
        )
    if settings.recurrent_dropout and settings.zoneout:
        raise ArgumentError(
            "zoneout",
            wanted="either zoneout or recurrent_dropout",
            got=f"{settings.zoneout} and {settings.recurrent_dropout}",
            remedy="Both act on the state; leave one at 0.",
        )
