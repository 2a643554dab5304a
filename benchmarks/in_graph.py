"""A model round a recurrent layer under torch.compile: the layer in its graph, or a break in it.

``python -m benchmarks.in_graph`` prints the table that docs/fits.md holds. Stands apart from
`parts.PARTS`, as inductor compiles for a minute.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks import environment
from benchmarks.markdown import milliseconds, numbers, table, times
from benchmarks.race import Race, Work
from ostinato.nn import LSTM

SIZES = ((20, 1, 32), (50, 32, 128), (100, 64, 256))
"""T, B, and the features of all layers."""
HEADINGS = (
    "T, B, H", "work", "not compiled, ms", "one graph, ms", "than not compiled",
    "than with a break",
)  # fmt: skip


class Model(nn.Module):
    """Pointwise work, products and a norm round an LSTM."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(size, size), nn.Linear(size, size)
        self.layer, self.norm = LSTM(size, size), nn.LayerNorm(size)

    def recur(self, xs: Tensor) -> Tensor:
        """The layer over xs [T, B, H]."""
        return self.layer(xs)[0]

    def forward(self, xs: Tensor) -> Tensor:
        """xs [T, B, H] to ys [T, B, H]."""
        ys = self.recur(F.gelu(self.before(xs)) * torch.sigmoid(xs))
        return self.after(self.norm(ys + xs).tanh())


class Broken(Model):
    """The same, with the layer outside the graph."""

    recur = torch.compiler.disable(Model.recur)  # pyright: ignore


def contestants(size: tuple[int, int, int], backend: str) -> dict[str, Callable[[Tensor], Tensor]]:
    """The model as it is, in one graph, and in a graph with a break."""
    whole, broken = Model(size[2]), Broken(size[2])
    broken.load_state_dict(whole.state_dict())
    return {
        "plain": copy.deepcopy(whole),
        "graph": torch.compile(whole, backend=backend, fullgraph=True),
        "break": torch.compile(broken, backend=backend),
    }


def infer(model: Callable[[Tensor], Tensor], xs: Tensor) -> None:
    """One forward pass."""
    with torch.no_grad():
        model(xs)


def train(model: Callable[[Tensor], Tensor], xs: Tensor) -> None:
    """Forward and backward."""
    model(xs).square().mean().backward()


def compete(works: dict[str, Work], turns: int, turn: float = 0.05) -> Race:
    """All work in turn, by the time of the CPU: of one thread it is right on a busy machine too."""
    times_of: dict[str, list[float]] = {name: [] for name in works}
    repeats = {name: max(1, round(turn / timed(work, 3))) for name, work in works.items()}
    for _ in range(turns):
        for name, work in works.items():
            times_of[name].append(timed(work, repeats[name]))
    return Race(times_of)


def timed(work: Work, repeats: int) -> float:
    """Seconds of the CPU for one piece of work."""
    work()
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def measure(
    size: tuple[int, int, int], turns: int = 20, backend: str = "inductor"
) -> list[list[str]]:
    """Two lines of the table."""
    torch.manual_seed(0)
    torch._dynamo.reset()  # pyright: ignore  (sizes and modes are graphs of their own)
    xs, models, lines = torch.randn(*size), contestants(size, backend), list[list[str]]()
    for name, step in (("inference", infer), ("training step", train)):
        works: dict[str, Work] = {n: partial(step, model, xs) for n, model in models.items()}
        lines.append([numbers(size), name, *figures(compete(works, turns))])
    return lines


def figures(found: Race) -> list[str]:
    """What a race says, as cells of the table."""
    seconds = [milliseconds(found.seconds(name)) for name in ("plain", "graph")]
    return [*seconds, *(times(found.ratio("graph", peer)) for peer in ("plain", "break"))]


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    lines = [line for size in SIZES for line in measure(size)]
    print(*table(HEADINGS, lines), environment.describe(), sep="\n")


if __name__ == "__main__":
    main()
