"""One model for every supervised task: any cell over the steps, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ostinato import BiSequencer, Explanation, NormPenalty, Stack, explain, last, unroll
from ostinato.cell import Cell
from ostinato.cell_names import (
    INIT_HELP,
    INITS,
    NORM_PENALTY_HELP,
    draw_as_minpy,
    make_layer,
    output_size,
)
from ostinato.data.memory import check_layers, within_memory
from ostinato.data.settings import Settings, setting
from ostinato.tasks.problem import Problem


@dataclass(frozen=True)
class CellSettings(Settings):
    """The cell of a model; what `ostinato compare` changes."""

    cell: str = setting("lstm", "lstm, gru, elman, or any cell as package.module:Class.")
    size: int = setting(64, "Hidden units of each layer.", least=1, bound=1_000_000)


@dataclass(frozen=True)
class SupervisedModelSettings(CellSettings):
    """The parts of a model over sequences and their sizes."""

    layers: int = setting(1, "Recurrent layers.", least=1, bound=1000)
    direction: str = setting(
        "forward",
        "Read each sequence from its start, from its end, or both ways side by side.",
        choices=("forward", "backward", "both"),
    )
    embedding: int = setting(
        32,
        "Size of the embedding where steps are words; 0 reads them one-hot.",
        least=0,
        bound=1_000_000,
    )
    dropout: float = setting(0.0, "Dropout on the output of each layer.", least=0, below=1)
    norm_penalty: float = setting(0.0, NORM_PENALTY_HELP, least=0)
    layer_norm: bool = setting(False, "Normalise the gates of the cell.")
    init: str = setting("orthogonal", INIT_HELP, choices=INITS)
    biases: int = setting(
        2,
        "Biases of each gate of lstm, gru and elman: 2 as in torch, 1 as in papers.",
        least=1,
        most=2,
    )


@final
class OneWay(nn.Module):
    """A cell over a sequence, xs [T, B, I] to ys [T, B, H]; ``reverse`` reads from the end."""

    def __init__(self, cell: Cell, *, reverse: bool) -> None:
        super().__init__()
        self.cell, self.reverse = cell, reverse

    def forward(self, xs: Tensor, *, lengths: Tensor | None = None) -> Tensor:
        ys, _ = unroll(self.cell, xs, lengths=lengths, reverse=self.reverse)
        return ys

    def extra_repr(self) -> str:
        return "reverse=True" if self.reverse else ""


@final
class SequenceModel(nn.Module):
    """Outputs C for a sequence, [B, C], or with ``per_step`` for each of its steps, [T, B, C].

    ``tokens`` is the number of different ids where steps are ids, xs [T, B]; where it is 0 they
    are ``inputs`` numbers, xs [T, B, I]. One output for a sequence is read where its last step
    leaves the state: at step ``lengths[b] - 1``, or at step 0 where it is read from its end.
    """

    @within_memory("model", "a model")
    def __init__(
        self,
        inputs: int,
        outputs: int,
        settings: SupervisedModelSettings | None = None,
        *,
        tokens: int = 0,
        per_step: bool = False,
    ) -> None:
        super().__init__()
        self.settings = settings = settings or SupervisedModelSettings()
        check_layers(settings.cell, settings.layers, settings.size)
        self.tokens, self.per_step = tokens, per_step
        embedded = tokens and settings.embedding
        self.embedding = nn.Embedding(tokens, settings.embedding) if embedded else None
        width = settings.embedding if embedded else inputs
        self.layers = nn.ModuleList(_layers(width, settings))
        self.dropout = nn.Dropout(settings.dropout)
        ways = 2 if settings.direction == "both" else 1
        self.width = output_size(_cell(width, settings), width)
        self.readout = nn.Linear(ways * self.width, outputs)
        if settings.init == "xavier":
            draw_as_minpy(self.readout.weight)
            draw_as_minpy(self.readout.bias)

    def forward(self, xs: Tensor, lengths: Tensor | None = None) -> Tensor:
        ys = self._embedded(xs)
        for layer in self.layers:
            ys = self.dropout(layer(ys, lengths=lengths))
        return self.readout(ys if self.per_step else self._ends(ys, lengths))

    def summary(self) -> str:
        """The model in a few words."""
        made = self.settings
        ways = "" if made.direction == "forward" else f" {made.direction}"
        return f"{made.cell} {made.layers} x {made.size}{ways}"

    def explain(self, xs: Tensor, lengths: Tensor | None = None) -> list[Explanation]:
        """Which backend runs each layer on such a batch, the first layer first."""
        said, ys = [], self._embedded(xs)
        for layer in self.layers:
            cell = layer.cell if isinstance(layer, OneWay) else layer.forward_cell
            assert isinstance(cell, Cell)
            said.append(explain(cell, ys, lengths=lengths))
            ys = layer(ys, lengths=lengths)
        return said

    def _embedded(self, xs: Tensor) -> Tensor:
        if self.embedding is not None:
            return self.embedding(xs)
        return F.one_hot(xs, self.tokens).to(self.readout.weight) if self.tokens else xs

    def _ends(self, ys: Tensor, lengths: Tensor | None) -> Tensor:
        """Where reading ended [B, H]; both ways side by side [B, 2 H]."""
        if self.settings.direction == "forward":
            return last(ys, lengths)
        if self.settings.direction == "backward":
            return ys[0]
        return torch.cat([last(ys[..., : self.width], lengths), ys[0, :, self.width :]], dim=-1)


def sequence_model(problem: Problem, settings: SupervisedModelSettings) -> SequenceModel:
    """A model for a problem, with new weights."""
    per_step, outputs = problem.train.per_step, problem.aim.outputs
    return SequenceModel(
        problem.inputs, outputs, settings, tokens=problem.tokens, per_step=per_step
    )


def _layers(width: int, settings: SupervisedModelSettings) -> Iterator[nn.Module]:
    for _ in range(settings.layers):
        cell = _cell(width, settings)
        width = output_size(cell, width)
        if settings.direction == "both":
            yield BiSequencer(cell, _cell(cell.input_size or width, settings))
            width *= 2
        else:
            yield OneWay(cell, reverse=settings.direction == "backward")


def _cell(width: int, settings: SupervisedModelSettings) -> Cell:
    options = {"layer_norm": True} if settings.layer_norm else {}
    cell = make_layer(
        settings.cell,
        width,
        settings.size,
        init=settings.init,
        biases=settings.biases,
        **options,
    )
    return Stack(cell, NormPenalty(settings.norm_penalty)) if settings.norm_penalty else cell
