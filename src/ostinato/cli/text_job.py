"""Text as a job: a corpus and a language model in a run's directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ostinato.cli.job import Job, section, train_settings
from ostinato.data import ColumnSettings
from ostinato.text import (
    Corpus,
    Evaluation,
    LanguageModel,
    ModelSettings,
    SampleSettings,
    TextTask,
    sample,
)
from ostinato.train import Run, load_weights
from ostinato.train.randomness import seed_everything

# Long enough to judge by eye, cooler than a fair draw: a small model's rarest choices are noise.
_SHOWN = SampleSettings(length=400, temperature=0.6)


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

    ``path`` is the run's directory, or one of its checkpoint files. Before the first validation
    there are no best weights, and the checkpoint's own are taken.
    """
    run = Run.open(path)
    checkpoint = path if path.suffix == ".safetensors" else None
    corpus = Corpus(run.folder / "corpus")
    model = build_model(run, run.read_config(), corpus.tokenizer.size)
    weights = run.load_checkpoint(checkpoint, "best")["weights"]
    load_weights(model, weights or run.load_checkpoint(checkpoint, "model"), str(path))
    return model.eval(), corpus


TEXT = Job("text", build, describe, conclude)  # pyright: ignore[reportArgumentType]
