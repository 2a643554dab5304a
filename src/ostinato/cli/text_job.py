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
from ostinato.cli.files import SECTION, TEXT_FLAGS
from ostinato.cli.hidden import of_text, of_windows
from ostinato.cli.job import (
    Job,
    Judged,
    Reading,
    check_task,
    load_best,
    open_run,
    section,
    set_up,
    train_settings,
)
from ostinato.cli.screen import note
from ostinato.data import ColumnSettings, Settings
from ostinato.data.reading import fitting_encoding
from ostinato.text import (
    BidirectionalModel,
    BidirectionalTask,
    Corpus,
    CorpusSettings,
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
    tokenize,
)
from ostinato.text import evaluate as evaluate_tokens
from ostinato.text.output import Contrastive
from ostinato.train import Run, RunError, TrainSettings

# Long enough to judge by eye, cooler than a fair draw: a small model's rarest choices are noise.
_SHOWN = SampleSettings(length=400, temperature=0.6)
# Tokens that each column but the first reads before those that count.
_WARM_UP = 1000
COLUMNS = ColumnSettings(bptt=50)
TRAINING = TrainSettings(epochs=9, lr=6e-3, validate_every=400, sample_every=2000)


def build(run: Run, config: Mapping[str, Any]) -> TextTask | BidirectionalTask:
    """The task of a run, its weights drawn by the seed of the config."""
    settings = train_settings(config, run)
    columns = column_settings(run, config)
    corpus = Corpus(run.folder / "corpus")
    set_up(settings)
    model = build_model(run, config, corpus).to(settings.torch_device())
    if isinstance(model, LanguageModel):
        return TextTask(model, corpus, columns, seed=settings.seed)
    return BidirectionalTask(model, corpus, columns, seed=settings.seed)


def build_model(
    run: Run, config: Mapping[str, Any], corpus: Corpus
) -> LanguageModel | BidirectionalModel:
    """The model of a run, with new weights."""
    settings = ModelSettings.from_dict(section(config, "model", run), str(run.config_path))
    make = LanguageModel if settings.direction == "forward" else BidirectionalModel
    counts = None if settings.output == "softmax" else corpus.frequencies
    return make(corpus.tokenizer.size, settings, counts)


def column_settings(run: Run, config: Mapping[str, Any]) -> ColumnSettings:
    """The columns of a run."""
    return ColumnSettings.from_dict(section(config, "columns", run), str(run.config_path))


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


def conclude(task: TextTask | BidirectionalTask) -> Judged:
    """The final figures on held-out text and on the test, and something to look at."""
    figures, said = _judged(task.corpus, task.evaluate)
    if isinstance(task, TextTask):
        settings = _SHOWN.replace(seed=task.seed)
        shown = sample(task.model, task.corpus.tokenizer, task.opening, settings)
    else:
        shown = passage(task.model, task.corpus)
    return figures, f"{said}{_caution(task.corpus)}\n\n{shown}\n"


def _judged(corpus: Corpus, measure: Callable[[str], Evaluation | PseudoEvaluation]) -> Judged:
    """The figures of all parts of a corpus that are not learned from."""
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


def load(path: Path) -> tuple[LanguageModel | BidirectionalModel, Corpus]:
    """The model of a run with its best weights, and its corpus.

    ``path`` is the run's directory, or one of its checkpoint files.
    """
    run, checkpoint = open_run(path)
    corpus = Corpus(run.folder / "corpus")
    model = build_model(run, run.read_config(), corpus)
    load_best(model, run, checkpoint)
    return model.eval(), corpus


def load_writer(path: Path) -> tuple[LanguageModel, Corpus]:
    """As `load`. Raises RunError for a run of no model that writes a text from left to right."""
    run, _ = open_run(path)
    config = run.read_config()
    if config.get("task") == BIDIRECTIONAL.name:
        raise RunError(
            str(path),
            wanted="a model that tells the next token from those before it",
            got="one of both directions, which has to know what comes after it",
            remedy="Train with --direction forward to sample. To measure this one: "
            f"{run.command('evaluate', path)}",
        )
    check_task(config, (TEXT.name,), run)
    model, corpus = load(path)
    assert isinstance(model, LanguageModel)
    return model, corpus


def evaluate(run: Run, checkpoint: Path | None, paths: Sequence[Path], reading: Reading) -> Judged:
    """The figures of the model on texts, or on the run's held-out text and test."""
    model, corpus = load(checkpoint or run.folder)
    measure = _measure(model, column_settings(run, run.read_config()).bptt, reading.columns)
    if not paths:
        return _judged(corpus, lambda part: measure(*corpus.part(part)))
    with tempfile.TemporaryDirectory(prefix="ostinato-") as folder:
        given, usual = reading.files.encoding, run.read_config().get(SECTION, {}).get("encoding")
        documents = [
            document
            for path in paths
            for document in files([path], given or fitting_encoding(path, usual), say=note)
        ]
        text = tokenize(corpus.tokenizer, documents, Path(folder) / "tokens.npy")
        if text.unknown:
            note(f"{text.unknown:,} of {len(text.tokens):,} tokens are not known and read as <unk>")
        found = measure(text.tokens, text.characters)
    return _figures(found), str(found)


def _measure(
    model: LanguageModel | BidirectionalModel, window: int, columns: int
) -> Callable[[np.ndarray, int], Evaluation | PseudoEvaluation]:
    """How the model is measured on tokens and the number of their characters."""
    if isinstance(model, BidirectionalModel):
        return partial(evaluate_both_ways, model, window=window)
    return partial(evaluate_tokens, model, columns=columns, warm_up=_WARM_UP)


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
    build,  # pyright: ignore[reportArgumentType]
    describe,  # pyright: ignore[reportArgumentType]
    conclude,  # pyright: ignore[reportArgumentType]
    evaluate,
    explain_model,  # pyright: ignore[reportArgumentType]
    drawn,  # pyright: ignore[reportArgumentType]
    "ostinato sample {run}",
    reads=TEXT_FLAGS,
    activations=of_text,  # pyright: ignore[reportArgumentType]
    defaults=_DEFAULTS,
)
BIDIRECTIONAL = Job(
    "bidirectional",
    build,  # pyright: ignore[reportArgumentType]
    describe,  # pyright: ignore[reportArgumentType]
    conclude,  # pyright: ignore[reportArgumentType]
    evaluate,
    explain_model,  # pyright: ignore[reportArgumentType]
    drawn_windows,  # pyright: ignore[reportArgumentType]
    reads=TEXT_FLAGS,
    activations=of_windows,  # pyright: ignore[reportArgumentType]
    defaults=_DEFAULTS,
)


def job_for(settings: ModelSettings) -> Job:
    """The job that trains such a model."""
    return TEXT if settings.direction == "forward" else BIDIRECTIONAL
