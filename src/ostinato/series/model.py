"""The forecaster: a cell from one step of a series to what it says of the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

from torch import nn

from ostinato import NormPenalty, Stack
from ostinato.cell_names import INIT_HELP, INITS, NORM_PENALTY_HELP, make_layer, output_size
from ostinato.combine.composite import Wrapper
from ostinato.data.memory import check_layers, within_memory
from ostinato.data.settings import Settings, setting
from ostinato.typing import State


@dataclass(frozen=True)
class SeriesModelSettings(Settings):
    """The parts of a forecaster and their sizes."""

    cell: str = setting("gru", "lstm, gru, elman, or any cell as package.module:Class.")
    layers: int = setting(1, "Recurrent layers.", least=1, bound=1000)
    size: int = setting(64, "Hidden units of each layer.", least=1, bound=1_000_000)
    init: str = setting("orthogonal", INIT_HELP, choices=INITS)
    dropout: float = setting(0.0, "Dropout on the output of each layer.", least=0, below=1)
    norm_penalty: float = setting(0.0, NORM_PENALTY_HELP, least=0)
    skip: bool = setting(
        True, "Let each layer and the linear readout see the input and all layers before them."
    )


@final
class Forecaster(Wrapper):
    """x [B, 2C + K] to y [B, C]: C scaled numbers, whether each is there, and K numbers that are
    known of the next step, to the C numbers of that step.

    A cell like any other: a `Stack` of recurrent layers and a linear readout. Over a series it is
    ``ys, state = unroll(model, xs, state)``; fed with its own y it runs free into the future.
    """

    @within_memory("model", "a model")
    def __init__(
        self, columns: int, settings: SeriesModelSettings | None = None, *, known: int = 0
    ) -> None:
        settings = settings or SeriesModelSettings()
        check_layers(settings.cell, settings.layers, settings.size)
        layers = list(_layers(columns, known, settings))
        super().__init__(Stack(*layers, skip="dense" if settings.skip else None))
        self.columns, self.known, self.settings = columns, known, settings

    def wire(self, run: Any, x: Any, state: State) -> tuple[Any, State]:
        return run(self.cell, x, state)


def _layers(columns: int, known: int, settings: SeriesModelSettings) -> Iterator[nn.Module]:
    width = 2 * columns + known
    for _ in range(settings.layers):
        layer = make_layer(settings.cell, width, settings.size, init=settings.init)
        if settings.norm_penalty:
            layer = Stack(layer, NormPenalty(settings.norm_penalty))
        if settings.dropout:
            layer = Stack(layer, nn.Dropout(settings.dropout))
        yield layer
        out = output_size(layer, width)
        width = width + out if settings.skip else out
    yield nn.Linear(width, columns)
