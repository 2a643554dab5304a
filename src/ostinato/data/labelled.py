"""Sequences with labels to learn from: one label a sequence, or one a step."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Self, final

import numpy as np
import torch

from ostinato.data.samples import Samples
from ostinato.data.scaling import Scale
from ostinato.data.sequence_tables import LabelledSettings, Sequences, read_sequences
from ostinato.data.tables.reader import Reader
from ostinato.data.typed import check_fields
from ostinato.data.vocabulary import Vocabulary
from ostinato.errors import ArgumentError

# The target that torch's criteria leave out, for sequences without labels.
NO_LABEL = -100
_KINDS = {"words": list[str] | None, "scale": dict[str, list[float]] | None, "labels": list[str]}
_KINDS["joint"] = str


@final
@dataclass(frozen=True, eq=False)
class Encoding:
    """How words or numbers, and labels, become tensors: fitted once, kept with a model.

    ``vocabulary`` for words (0 <pad>, 1 <unk>) or ``scale`` for numbers; the other is None. The
    classes are the places in ``labels``. ``joint`` stands between the words of a text: nothing
    between characters.
    """

    vocabulary: Vocabulary | None
    scale: Scale | None
    labels: tuple[str, ...]
    joint: str = " "

    @classmethod
    def fit(cls, sequences: Sequences, learned: Samples, min_frequency: int = 1) -> Self:
        """The encoding of sequences: its words or scale from those learned from, all its labels.

        ``learned`` has the steps of some of the sequences as they are, not encoded.
        """
        if sequences.words is None:
            return cls(None, Scale.fit(learned.steps.numpy()), sequences.names)
        counts = np.bincount(learned.steps, minlength=len(sequences.words)).tolist()
        counted = dict(zip(sequences.words, counts, strict=True))
        vocabulary = Vocabulary.of(counted, min_frequency=min_frequency)
        return cls(vocabulary, None, sequences.names)

    def samples(self, sequences: Sequences) -> Samples:
        """Sequences as samples: ids, or numbers on the scale; targets -100 without labels.

        Raises ArgumentError for a label that the encoding does not have, and for words where it
        has numbers, or the reverse.
        """
        if (sequences.words is None) != (self.vocabulary is None):
            raise ArgumentError(
                "sequences",
                wanted="words" if self.vocabulary else "numbers",
                got="numbers" if self.vocabulary else "words",
                remedy="The model was trained on the former.",
            )
        if self.vocabulary is not None:
            steps = self.vocabulary.encode(sequences.words or ())[sequences.steps].astype(np.int64)
        else:
            assert self.scale is not None
            wanted, got = len(self.scale.mean), sequences.steps.shape[1]
            if wanted != got:
                raise ArgumentError(
                    "sequences", wanted=f"steps of {wanted} numbers", got=f"steps of {got}"
                )
            steps = self.scale.apply(sequences.steps).astype(np.float32)
        return _samples(sequences, steps, self._targets(sequences))

    def _targets(self, sequences: Sequences) -> np.ndarray:
        if sequences.labels is None:
            return np.full(len(sequences.lengths), NO_LABEL)
        for name in sequences.names:
            if name not in self.labels:
                near = difflib.get_close_matches(name, self.labels, n=1)
                raise ArgumentError(
                    "label",
                    wanted=f"one of {', '.join(self.labels)}",
                    got=repr(name),
                    remedy=f"Did you mean {near[0]}?" if near else "",
                )
        classes = np.array([self.labels.index(name) for name in sequences.names], dtype=np.int64)
        return classes[sequences.labels]

    def as_dict(self) -> dict[str, Any]:
        """What `from_dict` takes, ready for JSON."""
        return {
            "words": self.vocabulary and list(self.vocabulary.words),
            "scale": self.scale and self.scale.as_dict(),
            "labels": list(self.labels),
            "joint": self.joint,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "encoding") -> Self:
        """The encoding that `as_dict` gave; ``source`` names the file in errors.

        Raises ArgumentError for anything else.
        """
        check_fields(
            source, values, _KINDS, wanted="the encoding of sequences", optional=("joint",)
        )
        words, scale = values["words"], values["scale"]
        if (words is None) == (scale is None) or words == []:
            raise ArgumentError(source, wanted="either words or a scale", got="both or neither")
        return cls(
            None if words is None else Vocabulary(words),
            None if scale is None else Scale.from_dict(scale, source),
            tuple(values["labels"]),
            values.get("joint", " "),
        )

    def check(self, samples: Samples, source: str) -> None:
        """Raise ArgumentError where samples are none of this encoding; ``source`` names them."""
        steps, targets = samples.steps, samples.targets
        if self.vocabulary is not None:
            fits = steps.dtype == torch.int64 and steps.dim() == 1
            fits = fits and _within(steps, 0, len(self.vocabulary))
        else:
            assert self.scale is not None
            fits = steps.dtype == torch.float32
            fits = fits and steps.shape[1:] == (len(self.scale.mean),)
        classes = targets[targets != NO_LABEL]
        whole = targets.dtype == torch.int64 and targets.dim() == 1
        if not (fits and whole and _within(classes, 0, len(self.labels))):
            raise ArgumentError(source, wanted="samples of their encoding", got="others")


@final
@dataclass(frozen=True, eq=False)
class Labelled:
    """Labelled sequences as samples, those to learn from and those held out."""

    encoding: Encoding
    train: Samples
    held_out: Samples

    def summary(self) -> str:
        """The sizes in words."""
        vocabulary = self.encoding.vocabulary
        steps = f"a vocabulary of {len(vocabulary):,}" if vocabulary else "steps of numbers"
        return (
            f"{len(self.train):,} sequences and {len(self.held_out):,} held out, {steps}, "
            f"{len(self.encoding.labels)} labels"
        )


def read_labelled(
    path: str | PathLike[str],
    settings: LabelledSettings | None = None,
    *,
    per_step: bool = False,
    seed: int = 0,
    reader: Reader | None = None,
) -> Labelled:
    """A file of labelled sequences (see `read_sequences`), split and encoded.

    A share of the sequences, drawn by the seed, is held out; the vocabulary, or the scale of the
    numbers (mean 0, deviation 1), is that of the others. ``reader`` keeps what is decided about the
    file. Raises what `read_sequences` raises.
    """
    settings = settings or LabelledSettings()
    sequences = read_sequences(path, settings, per_step=per_step, reader=reader)
    assert sequences.labels is not None
    raw = _samples(sequences, sequences.steps, sequences.labels)
    learned, _ = raw.split(settings.held_out, seed=seed)
    encoding = Encoding.fit(sequences, learned, settings.min_frequency)
    if settings.tokens == "char" and sequences.texts is not None:
        encoding = replace(encoding, joint="")
    train, held_out = encoding.samples(sequences).split(settings.held_out, seed=seed)
    return Labelled(encoding, train, held_out)


def _within(numbers: torch.Tensor, first: int, last: int) -> bool:
    return not len(numbers) or bool((numbers.min() >= first) & (numbers.max() < last))


def _samples(sequences: Sequences, steps: np.ndarray, targets: np.ndarray) -> Samples:
    parts = (steps, sequences.lengths, targets)
    per_step = sequences.per_step and sequences.labels is not None
    return Samples(*(torch.from_numpy(part) for part in parts), per_step=per_step)
