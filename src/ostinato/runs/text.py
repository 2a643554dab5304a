"""Text as a job: a corpus and a language model in a run's directory."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from ostinato import explain
from ostinato._stages import stage
from ostinato.conclusion import Conclusion
from ostinato.data import ColumnSettings, Settings
from ostinato.data.reading import fitting_encoding
from ostinato.errors import ArgumentError
from ostinato.runs import exports
from ostinato.runs.activations import of_text, of_windows
from ostinato.runs.job import Job, Reading, num_cores, section, set_up, train_settings
from ostinato.runs.reading import TEXT_FLAGS, how_read
from ostinato.text import (
    BidirectionalModel,
    BidirectionalTask,
    Corpus,
    CorpusSettings,
    Document,
    Evaluation,
    LanguageModel,
    ModelSettings,
    PseudoEvaluation,
    SampleSettings,
    TextTask,
    evaluate_both_ways,
    files,
    passage,
    sample,
    source_name,
    tokenize,
)
from ostinato.text import evaluate as evaluate_tokens
from ostinato.text.evaluation import WARM_UP, usual_columns
from ostinato.text.output import Contrastive
from ostinato.train import Run, TrainSettings

# Long enough to judge by eye, cooler than a fair draw: a small model's rarest choices are noise.
_SAMPLE = SampleSettings(length=400, temperature=0.6)
COLUMNS = ColumnSettings(bptt=50)
TRAINING = TrainSettings(epochs=9, lr=6e-3, validate_every=400, sample_every=2000)


def build(run: Run, config: Mapping[str, Any]) -> TextTask:
    """The task of a run of a language model, its weights drawn by the seed of the config."""
    model, corpus, columns, seed = _parts(run, config)
    assert isinstance(model, LanguageModel)
    return TextTask(model, corpus, columns, seed=seed)


def build_bidirectional(run: Run, config: Mapping[str, Any]) -> BidirectionalTask:
    """The task of a run of a model of both directions, likewise."""
    model, corpus, columns, seed = _parts(run, config)
    assert isinstance(model, BidirectionalModel)
    return BidirectionalTask(model, corpus, columns, seed=seed)


def _parts(
    run: Run, config: Mapping[str, Any]
) -> tuple[LanguageModel | BidirectionalModel, Corpus, ColumnSettings, int]:
    """The model with new weights, its corpus, how that is cut, and the seed."""
    settings = train_settings(config, run)
    where = str(run.config_path)
    columns = ColumnSettings.from_dict(section(config, "columns", run), where)
    corpus = Corpus(run.folder / "corpus")
    set_up(settings)
    model = build_model(run, config, corpus).to(settings.torch_device())
    return model, corpus, columns, settings.seed


def build_model(
    run: Run, config: Mapping[str, Any], corpus: Corpus
) -> LanguageModel | BidirectionalModel:
    """The model of a run, with new weights."""
    settings = ModelSettings.from_dict(section(config, "model", run), str(run.config_path))
    make = LanguageModel if settings.direction == "forward" else BidirectionalModel
    counts = None if settings.output == "softmax" else corpus.frequencies
    return make(corpus.tokenizer.size, settings, counts)


def describe(task: TextTask | BidirectionalTask) -> str:
    """The model in a few words."""
    settings, number = task.model.settings, sum(p.numel() for p in task.model.parameters())
    said = f"{settings.cell} {settings.layers} x {settings.size}, {number:,} parameters"
    if settings.direction == "both":
        said += ", read from both sides"
    if isinstance(task.model.output, Contrastive):
        samples = task.model.output.num_noise
        said += f", trained against {samples} noise tokens (its loss is no likelihood)"
    return said


def conclude(task: TextTask | BidirectionalTask, folder: Path | None) -> Conclusion:
    """The final figures on held-out text and on the test, and something to look at."""
    figures, said = _judged(task.corpus, partial(task.evaluate, workers=num_cores()))
    return Conclusion(figures, [f"{said}{_caution(task.corpus)}"], _shown(task))


def _shown(task: TextTask | BidirectionalTask) -> str:
    if isinstance(task, BidirectionalTask):
        return passage(task.model, task.corpus)
    settings = _SAMPLE.replace(seed=task.seed)
    with stage("writing a sample"):
        return sample(task.model, task.corpus.tokenizer, task.opening, settings)


def _judged(
    corpus: Corpus, measure: Callable[[str], Evaluation | PseudoEvaluation]
) -> tuple[dict[str, Any], str]:
    """The figures of all parts of a corpus that are not learned from, and their words."""
    figures: dict[str, Any] = {}
    said: list[str] = []
    for part in corpus.parts:
        found, prefix = measure(part), "" if part == "held_out" else f"{part}_"
        figures |= {f"{prefix}{name}": value for name, value in _figures(found).items()}
        said.append(f"{part.replace('_', '-')} text: {found}")
    return figures, "\n".join(said)


def _figures(found: Evaluation | PseudoEvaluation) -> dict[str, Any]:
    return {**found.figures(), "tokens": found.tokens, "characters": found.characters}


def _caution(corpus: Corpus) -> str:
    hidden = corpus.counts.held_out_unknown + corpus.counts.test_unknown
    if not hidden or corpus.tokenizer.level not in ("word", "spaced"):
        return ""
    return f"\n(the spelling of {hidden:,} words that are <unk> costs no bits: compare with care)"


def evaluate(
    task: TextTask | BidirectionalTask, run: Run, paths: Sequence[Path], reading: Reading
) -> Conclusion:
    """The figures of the model on texts, or on the run's held-out text and test."""
    corpus, measure = task.corpus, _measure(task, reading.columns)
    if not paths:
        figures, said = _judged(corpus, lambda part: measure(*corpus.part(part)))
        return Conclusion(figures, [said])
    with tempfile.TemporaryDirectory(prefix="ostinato-") as folder:
        notes: list[str] = []
        documents = _documents(paths, run, reading, notes)
        with stage(f"reading {source_name(documents)}"):
            text = tokenize(corpus.tokenizer, documents, Path(folder) / "tokens.npy")
        if not text.characters:
            raise ArgumentError(
                source_name(documents), wanted="a text to measure on", got="no character"
            )
        found = measure(text.tokens, text.characters)
    if text.unknown:
        count = f"{text.unknown:,} of {len(text.tokens):,}"
        notes.append(f"{count} tokens are not known and read as <unk>")
    return Conclusion(_figures(found), [str(found)], notes=notes)


def _documents(
    paths: Sequence[Path], run: Run, reading: Reading, notes: list[str]
) -> list[Document]:
    """Texts for a run, in the encoding that is given, or that of the run where they are no UTF-8;
    what is to be said of them is added to the notes."""
    given, usual = reading.files.encoding, how_read(run).get("encoding")
    return [
        document
        for path in paths
        for document in files([path], given or fitting_encoding(path, usual), say=notes.append)
    ]


def _measure(
    task: TextTask | BidirectionalTask, columns: int | None
) -> Callable[[np.ndarray, int], Evaluation | PseudoEvaluation]:
    """How the model is measured on tokens and the number of their characters."""
    if isinstance(task, BidirectionalTask):
        window = task.columns.settings.bptt
        return partial(evaluate_both_ways, task.model, window=window, workers=num_cores())

    def measure(tokens: np.ndarray, characters: int) -> Evaluation:
        return evaluate_tokens(
            task.model,
            tokens,
            characters,
            columns=columns or usual_columns(len(tokens) - 1),
            warm_up=WARM_UP,
            workers=num_cores(),
        )

    return measure


def explain_model(task: TextTask | BidirectionalTask) -> str:
    """Which backend runs what of the model, on a piece of the text."""
    if isinstance(task, TextTask):
        inputs, _ = next(task.batches(0, 0))
        return str(explain(task.model, inputs.to(task.device)))
    model, layers = task.model, task.model.layers
    xs = model.embedding(next(task.batches(0, 0)).to(task.device))
    ahead, back = explain(layers.forward_cell, xs), explain(layers.backward_cell, xs, reverse=True)
    return f"forward:\n{ahead}\nbackward:\n{back}"


_DEFAULTS: dict[str, Settings] = {
    "corpus": CorpusSettings(),
    "model": ModelSettings(),
    "columns": COLUMNS,
    "train": TRAINING,
}


def drawn(task: TextTask) -> tuple[nn.Module, Tensor]:
    """The layers of the model, and a token for each of two texts."""
    inputs, _ = next(task.batches(0, 0))
    return task.model.cell, inputs[0, :2]


def drawn_windows(task: BidirectionalTask) -> tuple[nn.Module, tuple[Tensor]]:
    """The model, and the first tokens of two windows."""
    windows = next(task.batches(0, 0))
    return task.model, (windows[:4, :2],)


TEXT = Job(
    "text",
    build,
    describe,
    conclude,
    evaluate,
    explain_model,
    drawn,
    "ostinato sample {run}",
    reads=TEXT_FLAGS,
    activations=of_text,
    exported=exports.of_text,
    defaults=_DEFAULTS,
)
BIDIRECTIONAL = Job(
    "bidirectional",
    build_bidirectional,
    describe,
    conclude,
    evaluate,
    explain_model,
    drawn_windows,
    reads=TEXT_FLAGS,
    activations=of_windows,
    exported=exports.of_windows,
    defaults=_DEFAULTS,
)
JOBS = (TEXT, BIDIRECTIONAL)


def job_for(settings: ModelSettings) -> Job[Any]:
    """The job that trains such a model."""
    return TEXT if settings.direction == "forward" else BIDIRECTIONAL
