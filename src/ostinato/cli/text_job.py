"""Text as a job: a corpus and a language model in a run's directory."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ostinato import explain
from ostinato.cli.hidden import of_text
from ostinato.cli.job import (
    Job,
    Judged,
    Reading,
    check_task,
    load_best,
    open_run,
    section,
    train_settings,
)
from ostinato.cli.screen import note
from ostinato.data import ColumnSettings
from ostinato.text import (
    Corpus,
    CorpusSettings,
    Evaluation,
    LanguageModel,
    ModelSettings,
    SampleSettings,
    TextTask,
    files,
    sample,
    tokenize,
)
from ostinato.text import evaluate as evaluate_tokens
from ostinato.train import Run, TrainSettings
from ostinato.train.randomness import seed_everything

# Long enough to judge by eye, cooler than a fair draw: a small model's rarest choices are noise.
_SHOWN = SampleSettings(length=400, temperature=0.6)
# Tokens that each column but the first reads before those that count.
_WARM_UP = 1000


def build(run: Run, config: Mapping[str, Any]) -> TextTask:
    """The task of a run, its weights drawn by the seed of the config."""
    settings = train_settings(config, run)
    columns = ColumnSettings.from_dict(section(config, "columns", run), str(run.config_path))
    corpus = Corpus(run.folder / "corpus")
    seed_everything(settings.seed)
    model = build_model(run, config, corpus.tokenizer.size).to(settings.torch_device())
    return TextTask(model, corpus, columns, seed=settings.seed)


def build_model(run: Run, config: Mapping[str, Any], vocabulary: int) -> LanguageModel:
    """The model of a run, with new weights."""
    settings = ModelSettings.from_dict(section(config, "model", run), str(run.config_path))
    return LanguageModel(vocabulary, settings)


def describe(task: TextTask) -> str:
    """The model in a few words."""
    settings, number = task.model.settings, sum(p.numel() for p in task.model.parameters())
    return f"{settings.cell} {settings.layers} x {settings.size}, {number:,} parameters"


def conclude(task: TextTask) -> tuple[dict[str, Any], str]:
    """The final held-out figures, and a sample."""
    found = task.evaluate()
    settings = _SHOWN.replace(seed=task.seed)
    text = sample(task.model, task.corpus.tokenizer, task.opening, settings)
    said = f"held-out text: {tell(found)}{_caution(task.corpus)}\n\n{text}\n"
    return {**found.figures(), "tokens": found.tokens, "characters": found.characters}, said


def _caution(corpus: Corpus) -> str:
    hidden = corpus.counts.held_out_unknown
    if not hidden or corpus.tokenizer.level != "word":
        return ""
    return f"\n(the spelling of {hidden:,} words that are <unk> costs no bits: compare with care)"


def tell(found: Evaluation) -> str:
    """An evaluation in words."""
    return (
        f"{found.bits_per_character:.4f} bits per character, loss {found.loss:.4f} nats, "
        f"perplexity {found.perplexity:.3f} ({found.tokens:,} tokens, {found.characters:,} "
        f"characters)"
    )


def load(path: Path) -> tuple[LanguageModel, Corpus]:
    """The model of a run with its best weights, and its corpus.

    ``path`` is the run's directory, or one of its checkpoint files.
    """
    run, checkpoint = open_run(path)
    config = run.read_config()
    check_task(config, ("text",), run)
    corpus = Corpus(run.folder / "corpus")
    model = build_model(run, config, corpus.tokenizer.size)
    load_best(model, run, checkpoint)
    return model.eval(), corpus


def evaluate(run: Run, checkpoint: Path | None, paths: Sequence[Path], reading: Reading) -> Judged:
    """Bits per character, loss and perplexity on texts, or on the run's held-out text."""
    model, corpus = load(checkpoint or run.folder)
    if paths:
        found = _on_files(model, corpus, paths, reading)
    else:
        characters = corpus.counts.held_out_characters
        found = evaluate_tokens(
            model, corpus.held_out, characters, columns=reading.columns, warm_up=_WARM_UP
        )
    figures = {**found.figures(), "tokens": found.tokens, "characters": found.characters}
    return figures, tell(found)


def _on_files(
    model: LanguageModel, corpus: Corpus, paths: Sequence[Path], reading: Reading
) -> Evaluation:
    with tempfile.TemporaryDirectory(prefix="ostinato-") as folder:
        documents = files(list(paths), reading.encoding)
        text = tokenize(corpus.tokenizer, documents, Path(folder) / "tokens.npy")
        if text.unknown:
            note(f"{text.unknown:,} of {len(text.tokens):,} tokens are not known and read as <unk>")
        return evaluate_tokens(
            model, text.tokens, text.characters, columns=reading.columns, warm_up=_WARM_UP
        )


def explain_model(task: TextTask) -> str:
    """Which backend runs what of the model, on a piece of the text."""
    inputs, _ = next(task.batches(0, 0))
    return str(explain(task.model, inputs.to(task.device)))


TEXT = Job(
    "text",
    build,  # pyright: ignore[reportArgumentType]
    describe,  # pyright: ignore[reportArgumentType]
    conclude,  # pyright: ignore[reportArgumentType]
    evaluate,
    explain_model,  # pyright: ignore[reportArgumentType]
    "ostinato sample {run}",
    activations=of_text,  # pyright: ignore[reportArgumentType]
    defaults={
        "corpus": CorpusSettings(),
        "model": ModelSettings(),
        "columns": ColumnSettings(),
        "train": TrainSettings(),
    },
)
