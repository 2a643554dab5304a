"""Where a decoder looks while it says each token, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ostinato._judging import judging
from ostinato.data import require
from ostinato.data.pairs import BOS, EOS
from ostinato.data.pictures import save_picture
from ostinato.data.visible import visible
from ostinato.errors import ArgumentError
from ostinato.seq2seq.encoding import Pair, PairEncoding, cut
from ostinato.seq2seq.model import EncoderDecoder
from ostinato.seq2seq.search import greedy

# Panels side by side, and the most tokens that are written out at an axis.
_ACROSS, _WRITTEN = 2, 50


def alignment(
    model: EncoderDecoder, encoding: PairEncoding, source: str, *, longest: int = 100
) -> tuple[Tensor, list[int]]:
    """What a model with attention says of a source, U tokens with <eos>, and its weights [U, S].

    Raises ArgumentError for a model without attention.
    """
    device = next(model.parameters()).device
    ids = encoding.sources([source]).steps[:, None].to(device)
    (said,) = greedy(model, ids, longest=longest)
    inputs = torch.tensor([BOS, *said.tokens], device=device)[:, None]
    with judging(model):
        _, weights = model.attend(ids, None, inputs)
    if weights is None:
        raise ArgumentError("model", wanted="one with attention", got="attention=none")
    return weights[:, 0].cpu(), [*said.tokens, EOS]


def draw_alignments(
    path: Path, model: EncoderDecoder, encoding: PairEncoding, pairs: Sequence[Pair]
) -> None:
    """Draw the weights of a model's attention while it says the targets of some pairs, as PNG.

    A panel for each pair, with a column for each token of the source and a row for each that is
    said, the darker the more weight; where something else is said than the truth, that is told.
    """
    rows = -(-len(pairs) // _ACROSS)
    size = (6.5 * min(_ACROSS, len(pairs)), 3.6 * rows)
    picture = require("matplotlib.figure", "train").Figure(figsize=size, layout="constrained")
    panels = picture.subplots(rows, min(_ACROSS, len(pairs)), squeeze=False).flatten().tolist()
    for axes, (source, target) in zip(panels, pairs, strict=False):
        longest = 2 * len(cut(target, encoding.tokens)) + 1
        weights, tokens = alignment(model, encoding, source, longest=longest)
        said = encoding.text(tokens[:-1])
        axes.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        _write(axes.xaxis, cut(source, encoding.tokens), turned=encoding.tokens != "char")
        _write(axes.yaxis, encoding.target.decode(tokens))
        right = said == target
        axes.set_title(
            said if right else f"{said}, in truth {target}",
            loc="left",
            fontsize=10,
            color="#1f2933" if right else "#c2410c",
        )
    for axes in panels[len(pairs) :]:
        axes.set_axis_off()
    save_picture(picture, path)


def _write(axis: Any, tokens: Sequence[str], *, turned: bool = False) -> None:
    """Write tokens at an axis, unless they are too many; an open box stands for a space."""
    if len(tokens) <= _WRITTEN:
        shown = ["\u2423" if token == " " else visible(token) for token in tokens]
        axis.set_ticks(range(len(tokens)), labels=shown, fontsize=8, parse_math=False)
        axis.set_tick_params(rotation=90 if turned else 0)
