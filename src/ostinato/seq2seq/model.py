"""An encoder and a decoder: the state that one leaves is the state that the other begins with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from ostinato import Explanation, Stack, _tree, explain, unroll
from ostinato.cell_names import INIT_HELP, INITS, make_layer, output_size
from ostinato.data.memory import check_layers, within_memory
from ostinato.data.settings import Settings, setting
from ostinato.seq2seq.attention import SCORES, Attention, Memory
from ostinato.typing import State


@dataclass(frozen=True)
class Seq2SeqModelSettings(Settings):
    """The parts of an encoder and its decoder, and their sizes."""

    cell: str = setting("lstm", "lstm, gru, elman, or any cell as package.module:Class.")
    layers: int = setting(
        1, "Recurrent layers of the encoder, and of the decoder.", least=1, bound=1000
    )
    size: int = setting(128, "Hidden units of each layer.", least=1, bound=1_000_000)
    embedding: int = setting(32, "Size of the embeddings of tokens.", least=1, bound=1_000_000)
    direction: str = setting(
        "both",
        "Read the source from its start, or both ways side by side.",
        choices=("forward", "both"),
    )
    attention: str = setting(
        "dot",
        "How the decoder looks back at the source: not at all, by a product (Luong et al. 2015), "
        "or by a small network (Bahdanau et al. 2015).",
        choices=("none", *SCORES),
    )
    dropout: float = setting(0.1, "Dropout on the output of each layer.", least=0, below=1)
    init: str = setting("orthogonal", INIT_HELP, choices=INITS)


class Encoded(NamedTuple):
    """What an encoder leaves of B sources."""

    state: State
    """The decoder's first state."""
    memory: Memory | None
    """What the decoder looks at; None without attention."""


@final
class EncoderDecoder(nn.Module):
    """Scores [U, B, V] of the target's tokens, each from the source and the tokens before it.

    The encoder and the decoder are stacks of layers of one shape, cells like any others. The
    decoder begins with the last state of the encoder, layer by layer; where the source is read both
    ways, with a linear map of the two last states (`Bridge`). `Attention` stands after the
    decoder's layers. ``source_tokens`` and ``target_tokens`` count the different ids of each side,
    with `ostinato.seq2seq.BOS`, ``EOS`` and ``UNKNOWN`` among them.
    """

    @within_memory("model", "a model")
    def __init__(
        self, source_tokens: int, target_tokens: int, settings: Seq2SeqModelSettings | None = None
    ) -> None:
        super().__init__()
        self.settings = settings = settings or Seq2SeqModelSettings()
        check_layers(settings.cell, settings.layers, settings.size)
        ways = 2 if settings.direction == "both" else 1
        self.source_embedding = nn.Embedding(source_tokens, settings.embedding)
        self.target_embedding = nn.Embedding(target_tokens, settings.embedding)
        self.encoder, self.decoder = Stack(*_layers(settings)), Stack(*_layers(settings))
        self.back = Stack(*_layers(settings)) if ways == 2 else None
        self.bridge = Bridge(self.encoder.initial_state(1)) if ways == 2 else None
        width = output_size(self.encoder, settings.embedding)
        attends = settings.attention != "none"
        self.attention = Attention(settings.attention, width, ways * width) if attends else None
        self.readout = nn.Linear(width, target_tokens)

    def forward(self, source: Tensor, lengths: Tensor | None, inputs: Tensor) -> Tensor:
        """Teacher forcing: source [S, B] with lengths [B], inputs [U, B], to scores [U, B, V].

        ``inputs`` are the true tokens, <bos> first; scores[u] are those of what follows inputs[u].
        """
        return self.attend(source, lengths, inputs)[0]

    def attend(
        self, source: Tensor, lengths: Tensor | None, inputs: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """As `forward`, with the weights [U, B, S] of the attention; None without."""
        encoded = self.encode(source, lengths)
        ys, _ = unroll(self.decoder, self.target_embedding(inputs), encoded.state)
        return self._read(ys, encoded)

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> Encoded:
        """What the decoder needs of sources [S, B]; without lengths [B] all have S steps."""
        xs = self.source_embedding(source)
        ys, state = unroll(self.encoder, xs, lengths=lengths)
        if self.back is not None and self.bridge is not None:
            back, first = unroll(self.back, xs, lengths=lengths, reverse=True)
            ys, state = torch.cat([ys, back], dim=-1), self.bridge(state, first)
        return Encoded(state, self.attention and self.attention.remember(ys, lengths))

    def step(self, tokens: Tensor, state: State, encoded: Encoded) -> tuple[Tensor, State]:
        """One step of K beams: tokens [K, B] to scores [K, B, V], and the state after it.

        The leaves of the state are [K * B, ...], the rows of a beam together.
        """
        y, state = self.decoder(self.target_embedding(tokens.flatten()), state)
        return self._read(y.unflatten(0, tokens.shape), encoded)[0], state

    def _read(self, ys: Tensor, encoded: Encoded) -> tuple[Tensor, Tensor | None]:
        if self.attention is None or encoded.memory is None:
            return self.readout(ys), None
        ys, weights = self.attention(ys, encoded.memory)
        return self.readout(ys), weights

    def explain(
        self, source: Tensor, lengths: Tensor | None, inputs: Tensor
    ) -> dict[str, Explanation]:
        """Which backend runs what of the encoder and the decoder on such a batch, by names."""
        xs, ys = self.source_embedding(source), self.target_embedding(inputs)
        said = {"encoder": explain(self.encoder, xs, lengths=lengths)}
        if self.back is not None:
            said["back"] = explain(self.back, xs, lengths=lengths, reverse=True)
        state = self.encode(source, lengths).state
        return {**said, "decoder": explain(self.decoder, ys, state)}


@final
class Bridge(nn.Module):
    """The states of both directions to one state: side by side, through a linear map.

    Each part of the state [B, ..., n] has a map of its own, from 2 n to n; what is not a number,
    such as a mask, is that of the forward direction.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Linear(2 * leaf.shape[-1], leaf.shape[-1])
            if leaf.is_floating_point()
            else nn.Identity()
            for leaf in _tree.leaves(state)
        )

    def forward(self, ahead: State, back: State) -> State:
        """The state after the last step and that after the first one, to one of the same form."""
        maps: Iterator[nn.Module] = iter(self.maps)

        def joined(a: Tensor, b: Tensor) -> Any:
            linear = next(maps)
            return linear(torch.cat([a, b], dim=-1)) if a.is_floating_point() else a

        return _tree.map(joined, ahead, back)


def _layers(settings: Seq2SeqModelSettings) -> Iterator[nn.Module]:
    width = settings.embedding
    for _ in range(settings.layers):
        cell = make_layer(settings.cell, width, settings.size, init=settings.init)
        yield cell
        yield nn.Dropout(settings.dropout)
        width = output_size(cell, width)
