"""The main job's training loop against the same model and loop, written plainly with torch.nn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.markdown import table, times
from benchmarks.part import Part, Row
from benchmarks.race import Effort, race
from ostinato.data import ColumnSettings
from ostinato.runs.job import settle_threads
from ostinato.runs.text import COLUMNS, TRAINING
from ostinato.text import Corpus, LanguageModel, ModelSettings, TextTask
from ostinato.train import Solver, TrainSettings
from ostinato.train.optimiser import RATES


class Plain(nn.Module):
    """Embedding, torch.nn.LSTM and an output layer, with one dropout mask a piece, as in ours."""

    def __init__(self, vocabulary: int, settings: ModelSettings) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, settings.embedding)
        self.lstm = nn.LSTM(settings.embedding, settings.size, settings.layers)
        self.output = nn.Linear(settings.size, vocabulary)
        self.settings = settings

    def forward(self, ids: Tensor, state: object) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        xs = held_dropout(self.embedding(ids), self.settings.input_dropout)
        ys, (h, c) = self.lstm(xs, state)
        return self.output(held_dropout(ys, self.settings.dropout)), (h.detach(), c.detach())


def held_dropout(xs: Tensor, p: float) -> Tensor:
    """xs [T, B, n] under one mask [B, n]."""
    return xs * F.dropout(torch.ones_like(xs[0]), p)


def plain_step(corpus: Corpus, model: ModelSettings, columns: ColumnSettings) -> Callable[[], None]:
    """A step of the plain loop: what anyone would write."""
    train = TrainSettings()
    plain = Plain(corpus.tokenizer.size, model)
    optimiser = torch.optim.AdamW(plain.parameters(), lr=RATES[train.optimiser])
    tokens = torch.from_numpy(corpus.train.astype("int64"))
    column = (len(tokens) - 1) // columns.batch_size
    inputs = tokens[: columns.batch_size * column].view(-1, column).t().contiguous()
    targets = tokens[1 : columns.batch_size * column + 1].view(-1, column).t().contiguous()
    starts = cycle(range(0, column - columns.bptt, columns.bptt))
    state: object = None

    def step() -> None:
        nonlocal state
        piece = slice(start := next(starts), start + columns.bptt)
        scores, state = plain(inputs[piece], state)
        loss = F.cross_entropy(scores.flatten(0, 1), targets[piece].flatten())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), train.clip)
        optimiser.step()

    return step


def our_step(task: TextTask) -> Callable[[], None]:
    """A step of the solver, as `ostinato train text` takes it."""
    solver = Solver(task, TrainSettings())
    batches = solver.batches()
    task.model.train()
    return lambda: solver.update(next(batches))


def measure(effort: Effort) -> list[Row]:
    """One row, on as many threads as the command takes."""
    corpus = Corpus.build()
    model, columns = ModelSettings(), COLUMNS
    if effort.quick:
        model, columns = ModelSettings(size=8, embedding=4), ColumnSettings(batch_size=2, bptt=5)
    usual = torch.get_num_threads()
    task = TextTask(LanguageModel(corpus.tokenizer.size, model), corpus, columns)
    threads = settle_threads(TRAINING, task).threads
    try:
        steps = {
            "ours": our_step(task),
            "torch": plain_step(corpus, model, columns),
        }
        found = race(steps, effort.but(seconds=8.0, turn=0.3))
    finally:
        torch.set_num_threads(usual)
    tokens = columns.batch_size * columns.bptt
    rates = {name: tokens / found.seconds(name) for name in steps}
    return [{"threads": threads, "rates": rates, "faster": found.ratio("ours", "torch")}]


def show(rows: list[Row]) -> list[str]:
    """The row."""
    lines = (
        [str(row["threads"]), *(f"{r:,.0f}" for r in row["rates"].values()), times(row["faster"])]
        for row in rows
    )
    return table(["threads", "ours, characters a second", "plain", "faster"], lines)


PART = Part(
    "language-model",
    "The main job: a language model",
    "A step of `ostinato train text` at its defaults, and of the same model and loop written\n"
    "plainly with `torch.nn.LSTM`.",
    measure,
    show,
)
