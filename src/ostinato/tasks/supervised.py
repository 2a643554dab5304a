"""Learning from samples with targets: what a solver trains, for every supervised task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn

from ostinato._judging import judging
from ostinato._stages import stage
from ostinato.conclusion import Conclusion, Table
from ostinato.data import Batch, Batches, BatchSettings, Samples
from ostinato.data.batches import side_by_side
from ostinato.tasks.aim import Classification, tell
from ostinato.tasks.problem import Problem
from ostinato.typing import State

# Sequences of one forward call when nothing is learned, and their steps with padding.
_ROWS, _STEPS = 500, 200_000
# Held-out sequences that are shown as a sample, and the most labels of a printed matrix.
_SHOWN, _LABELS = 8, 20
_CORNER = "true, said"


@final
class SupervisedTask:
    """A model ``(xs, lengths) -> ys`` on a problem; has the shape of `ostinato.train.Task`.

    ``model`` is a `SequenceModel`, or any module that is called with xs [T, B, ...] and lengths
    [B] or None, and gives [B, C], or [T, B, C] where there is a target for each step.
    """

    unit = "sequences"

    def __init__(
        self,
        name: str,
        model: nn.Module,
        problem: Problem,
        batches: BatchSettings | None = None,
        *,
        seed: int = 0,
    ) -> None:
        self.name, self.model, self.problem = name, model, problem
        self.made = Batches(problem.train, batches, seed=seed)
        self.curve = problem.aim.curve
        self.device = next(model.parameters()).device

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.made)

    @property
    def batch_units(self) -> int:
        """Sequences in a batch."""
        return min(self.made.settings.batch_size, len(self.problem.train))

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        """The batches of an epoch from one on."""
        return self.made.batches(epoch, start)

    def initial_state(self) -> State:
        """Nothing is carried from batch to batch."""
        return ()

    def loss(self, batch: Batch, state: State) -> tuple[Tensor, State]:
        """The mean loss of a batch."""
        batch = batch.to(self.device)
        if self.problem.loss is not None:
            return self.problem.loss(self.model, batch), ()
        return self.problem.aim.loss(self.model(batch.xs, batch.lengths), batch), ()

    def figures(self, loss: float) -> dict[str, float]:
        """A loss is told as it is."""
        return {}

    def validate(self) -> dict[str, float]:
        """The figures on all held-out samples."""
        return self.problem.aim.figures(self.outputs(), self.problem.held_out)

    def outputs(self) -> Tensor:
        """What the model says of the held-out samples."""
        return predict(self.model, self.problem.held_out)

    def baseline(self) -> dict[str, float]:
        """The held-out figures of who always says the same."""
        return self.problem.aim.baseline(self.problem.train, self.problem.held_out)

    def sample(self, step: int) -> str:
        """What the model says of a few held-out samples, beside the truth."""
        return compare(self.model, self.problem, self.problem.held_out[:_SHOWN])

    def conclude(self, folder: Path | None = None) -> Conclusion:
        """All figures of the model, and what to tell of them; pictures go to a folder."""
        outputs, baseline = self.outputs(), self.baseline()
        figures: dict[str, Any] = self.problem.aim.figures(outputs, self.problem.held_out)
        said = f"held-out {tell(figures)}\nwho always says the same: {tell(baseline)}"
        figures |= {f"baseline_{name}": value for name, value in baseline.items()}
        if self.problem.report is not None:
            with stage("drawing and telling more"):
                further = dict(self.problem.report(self.model, folder))
            said += "".join(f"\n{name.replace('_', ' ')}: {v:.5g}" for name, v in further.items())
            figures |= further
        said += _no_better(figures, baseline)
        parts: list[str | Table] = [said]
        if isinstance(self.problem.aim, Classification):
            matrix = self.problem.aim.confusion(outputs, self.problem.held_out)
            more, tables = tell_labels(matrix, self.problem.aim)
            figures, parts = figures | more, [*parts, *tables]
        return Conclusion(figures, parts, self.sample(0), self.problem.remarks())


def _no_better(figures: Mapping[str, float], baseline: Mapping[str, float]) -> str:
    """In which figures a model is no better than who always says the same; nothing for none."""
    worse = {"loss": not figures["loss"] < baseline["loss"]}
    if "accuracy" in figures:
        worse["accuracy"] = not figures["accuracy"] > baseline["accuracy"]
    if all(worse.values()):
        return "\nthe model is no better than that"
    names = {"loss": "cross-entropy", "accuracy": "accuracy"}
    return "".join(f"\nby {names[n]} the model is no better than that" for n in worse if worse[n])


def predict(model: nn.Module, samples: Samples) -> Tensor:
    """Outputs [N, C] of N samples, or [S, C] of all their steps; on the CPU.

    The random state and the training mode of the model are left as they were; a model that draws
    something draws the same each time.
    """
    device, found = next(model.parameters()).device, list[Tensor]()
    with judging(model), stage("measuring", len(samples), "sequences") as done:
        torch.manual_seed(0)
        for rows in side_by_side(samples.lengths, _ROWS, _STEPS):
            batch = samples.take(rows).to(device)
            ys = model(batch.xs, batch.lengths)
            # step after step of one row, then the next
            found.append(ys.transpose(0, 1)[batch.mask.T] if ys.dim() == 3 else ys)
            done.advance(len(rows))
        return torch.cat(found).cpu()


def compare(model: nn.Module, problem: Problem, samples: Samples) -> str:
    """A line for each sample (two where there is a target for each step): ours and the truth."""
    ours, truth = problem.aim.words(predict(model, samples)), problem.aim.truth(samples)
    if samples.per_step:
        lines = []
        for start, length in zip(samples.starts.tolist(), samples.lengths.tolist(), strict=True):
            steps = slice(start, start + length)
            lines += [f"truth {' '.join(truth[steps])}", f"ours  {' '.join(ours[steps])}"]
        return "\n".join(lines)
    width = max(map(len, (*truth, *ours)))
    said = zip(truth, ours, shown(problem, samples), strict=True)
    return "\n".join(
        f"truth {a:>{width}}   ours {b:>{width}}   {text}".rstrip() for a, b, text in said
    )


def shown(problem: Problem, samples: Samples) -> list[str]:
    """The beginning of each sample as text; empty where steps are numbers."""
    if problem.encoding is None or problem.encoding.vocabulary is None:
        return [""] * len(samples)
    joint = problem.encoding.joint
    words, most = problem.encoding.vocabulary.decode(samples.steps.tolist()), 10 if joint else 40
    parts = zip(samples.starts.tolist(), samples.lengths.tolist(), strict=True)
    return [
        joint.join(words[start : start + min(length, most)]) + (" ..." if length > most else "")
        for start, length in parts
    ]


def tell_labels(matrix: Tensor, aim: Classification) -> tuple[dict[str, Any], list[Table | str]]:
    """Figures and tables of each label by the confusion matrix [C, C]; no number is None there."""
    scores = aim.by_label(matrix)
    count = matrix.sum(1)
    names = ("precision", "recall", "f1")
    figures: dict[str, Any] = {"macro_f1": scores[count > 0, 2].nanmean().item()}
    for name, column in zip(names, scores.T.tolist(), strict=True):
        figures[name] = [None if value != value else value for value in column]
    figures |= {"confusion": matrix.tolist(), "labels": list(aim.labels)}
    # of many labels those that are told apart worst
    places = scores[:, 2].nan_to_num(2).argsort(stable=True)[:_LABELS].sort().values.tolist()
    rows = [[aim.labels[n], *scores[n].tolist(), str(count[n].item())] for n in places]
    table = Table(["label", *names, "held out"], rows, "labels")
    return figures, [tell_confusion(matrix, aim.labels), table]


def tell_confusion(matrix: Tensor, labels: tuple[str, ...]) -> Table | str:
    """A confusion matrix as a table, a row for each true label; or the worst pairs of many."""
    if len(labels) > _LABELS:
        return _worst(matrix, labels)
    cells = [[str(number) for number in row] for row in matrix.tolist()]
    rows = [[label, *row] for label, row in zip(labels, cells, strict=True)]
    return Table([_CORNER, *labels], rows, "confusion")


def _worst(matrix: Tensor, labels: tuple[str, ...]) -> str:
    wrong = matrix.clone().fill_diagonal_(0).flatten()
    pairs = wrong.argsort(descending=True)[:10].tolist()
    said = [
        f"{wrong[pair]} x {labels[pair // len(labels)]}, said {labels[pair % len(labels)]}"
        for pair in pairs
        if wrong[pair]
    ]
    return "\n".join(["most frequent mistakes:", *said])
