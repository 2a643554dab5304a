"""The copy problem: say a row of symbols again after a long silence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ostinato.data import BatchSettings, Samples
from ostinato.data.memory import within_memory
from ostinato.data.problems import copy_memory
from ostinato.data.settings import setting
from ostinato.tasks.aim import Classification
from ostinato.tasks.model import SupervisedModelSettings
from ostinato.tasks.problem import Problem
from ostinato.tasks.recipe import DrawnSettings, Recipe


@dataclass(frozen=True)
class CopySettings(DrawnSettings):
    """What is copied, over which gap."""

    gap: int = setting(20, "Steps of silence between the symbols and their copy.", least=1)
    symbols: int = setting(8, "Different symbols.", least=1, bound=10_000)
    num_copied: int = setting(5, "Symbols to be copied.", least=1)


@within_memory("num_train", "data")
def problem(settings: CopySettings, source: Path | None, folder: Path) -> Problem:
    """Accuracy counts the copied part only; the silence before it is easy."""
    gap, symbols, length = settings.gap, settings.symbols, settings.num_copied
    drawn = copy_memory(
        settings.count, gap, symbols=symbols, num_copied=length, seed=settings.data_seed
    )
    samples, border = Samples.of(drawn), settings.num_train
    labels = (*map(str, range(symbols)), ".", ":")
    # blanks where they belong and a guess at each symbol
    easy = length * math.log(symbols) / (gap + 2 * length)
    return Problem(
        samples[:border],
        samples[border:],
        Classification(labels, judged=length, easy_loss=easy),
        f"{border:,} rows of {length} symbols, to be copied after {gap} steps, and "
        f"{settings.num_held_out:,} held out",
        tokens=len(labels),
    )


COPY = Recipe(
    "copy",
    "Copy symbols after a gap (Arjovsky et al. 2016). Accuracy is that of the copied part.",
    CopySettings(),
    problem,
    SupervisedModelSettings(cell="gru", size=100, embedding=0),
    BatchSettings(batch_size=50),
    {"epochs": 15, "lr": 5e-3, "weight_decay": 0.0, "validate_every": 100},
)
