"""Sequences with labels to learn from: one label a sequence, or one a step."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Self, final

import numpy as np
import torch

from ostinato.data.samples import Samples
from ostinato.data.scaling import Scale
from ostinato.data.sequence_tables import LabelledSettings, Sequences, read_sequences
from ostinato.data.source import source_words
from ostinato.data.tables.reader import Reader
from ostinato.data.typed import check_fields
from ostinato.data.vocabulary import Vocabulary
from ostinato.errors import ArgumentError

# So many different labels, and so many sequences of each, make classes of numbers plausible.
_MANY = 10
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
    cut: tuple[int, Sequence[int]] = (0, ())
    """So many steps at most are left of the sequences of these numbers, which had more."""

    def summary(self) -> str:
        """The sizes in words."""
        vocabulary = self.encoding.vocabulary
        steps = f"a vocabulary of {len(vocabulary):,}" if vocabulary else "steps of numbers"
        return (
            f"{len(self.train):,} sequences and {len(self.held_out):,} held out, {steps}, "
            f"{len(self.encoding.labels)} labels"
        )

    def remarks(self) -> list[str]:
        """What a reader of the figures should know of the data."""
        counts = torch.bincount(self.train.targets, minlength=len(self.encoding.labels))
        if not self.train.per_step:
            counts += torch.bincount(self.held_out.targets, minlength=len(counts))
        said = [*_on_labels(self.encoding.labels, counts.tolist())]
        most, long = self.cut
        if long:
            named = ", ".join(map(str, long[:5])) + (" and so on" if len(long) > 5 else "")
            said.append(
                f"{len(long):,} of the sequences (number {named}) have more than {most:,} steps, "
                "and of these the first are taken: `max_length` says how many"
            )
        if not self.train.per_step:
            rare = [self.encoding.labels[place] for place in (counts == 1).nonzero().flatten()]
            if rare:
                said.append(
                    f"{_some(rare)} {'has' if len(rare) == 1 else 'have'} one sequence alone, too "
                    "few to learn from and to be judged by"
                )
        known = {row.tobytes() for row in self._rows(self.train)}
        again = sum(row.tobytes() in known for row in self._rows(self.held_out))
        if again:
            said.append(
                f"{again:,} of the {len(self.held_out):,} held-out sequences are learned from too, "
                "as they stand there twice: the figures flatter"
            )
        return said

    def _rows(self, samples: Samples) -> Iterator[np.ndarray]:
        """The steps of each sequence, to be compared; not of empty ones, nor with unknown words."""
        words = self.encoding.vocabulary
        hidden = None if words is None else words.unknown
        for steps in samples.steps.split(samples.lengths.tolist()):
            if len(steps) and (hidden is None or not (steps == hidden).any()):
                yield steps.numpy()


def _on_labels(labels: Sequence[str], counts: Sequence[int]) -> Iterator[str]:
    seen = sum(count > 0 for count in counts)
    if seen == 1:
        label = labels[max(range(len(counts)), key=counts.__getitem__)]
        yield f"all labels are {label!r}: there is nothing to tell apart, and accuracy says nothing"
    numbers = [number for label in labels if (number := _number(label)) is not None]
    many = len(labels) >= _MANY and len(numbers) == len(labels)
    if many and (sum(counts) < _MANY * len(labels) or any(n != int(n) for n in numbers)):
        yield (
            f"the labels are {len(labels):,} different numbers, and each is learned as a name of "
            "its own: nothing here predicts a quantity (a regression)"
        )


def _number(label: str) -> float | None:
    try:
        number = float(label)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _some(names: Sequence[str], most: int = 5) -> str:
    """The first of some labels in words."""
    shown = ", ".join(map(repr, names[:most]))
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"the label{'s' if len(names) > 1 else ''} {shown}{more}"


def read_labelled(
    path: str | PathLike[str],
    settings: LabelledSettings | None = None,
    *,
    per_step: bool = False,
    seed: int = 0,
    encoding: Encoding | None = None,
    reader: Reader | None = None,
) -> Labelled:
    """A file of labelled sequences (see `read_sequences`), split and encoded.

    A share of the sequences, drawn by the seed, is held out, of each label alike unless the
    settings say no; the vocabulary, or the scale of the numbers (mean 0, deviation 1), is that of
    the others, or that of an ``encoding`` that is given. ``reader`` keeps what is decided about the
    file. Raises what `read_sequences` raises, and ArgumentError for less than two sequences.
    """
    settings = settings or LabelledSettings()
    words = None if encoding is None else encoding.vocabulary is not None
    sequences = read_sequences(path, settings, per_step=per_step, words=words, reader=reader)
    assert sequences.labels is not None
    if len(sequences.lengths) < 2:
        raise ArgumentError(
            source_words(path),
            wanted="at least two sequences, to hold one out",
            got=str(len(sequences.lengths)),
        )
    stratified = settings.stratified and not per_step
    raw = _samples(sequences, sequences.steps, sequences.labels)
    if encoding is None:
        learned, _ = raw.split(settings.held_out, seed=seed, stratified=stratified)
        encoding = Encoding.fit(sequences, learned, settings.min_frequency)
        if settings.tokens == "char" and sequences.texts is not None:
            encoding = replace(encoding, joint="")
    samples = encoding.samples(sequences).cut(settings.max_length)
    train, held_out = samples.split(settings.held_out, seed=seed, stratified=stratified)
    long = (torch.from_numpy(sequences.lengths) > settings.max_length).nonzero().flatten() + 1
    return Labelled(encoding, train, held_out, (settings.max_length, long.tolist()))


def _within(numbers: torch.Tensor, first: int, last: int) -> bool:
    return not len(numbers) or bool((numbers.min() >= first) & (numbers.max() < last))


def _samples(sequences: Sequences, steps: np.ndarray, targets: np.ndarray) -> Samples:
    parts = (steps, sequences.lengths, targets)
    per_step = sequences.per_step and sequences.labels is not None
    return Samples(*(torch.from_numpy(part) for part in parts), per_step=per_step)
