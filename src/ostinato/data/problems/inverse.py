"""The toy of the Torch tutorial: from a few noisy values of a curve, say where they were read.

The curve f is no one-to-one map, so one value does not tell its place z, and a few values at z,
z - 1, z - 2 together do. The value at step t is f(z - t) with noise.

Source: kbullaughey/lstm-play, the data of "RNNs in Torch".
"""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from torch import Tensor

from ostinato.data.batch import Batch
from ostinato.data.files import atomic, existing_file
from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError

KINDS = ("fixed", "variable", "direct")
FIXED, MOST, LEAST = 3, 4, 2
"""Steps of a fixed row; most and least steps of the others."""

HIGH = 10.0
"""z is uniform in [0, HIGH]."""


@dataclass(frozen=True)
class InverseSettings(Settings):
    """A file of the toy. The published one has count=200000, noise=0.1, seed=1."""

    kind: str = setting(
        "fixed",
        "Rows of three steps; of two to four (variable); or those with a target for each step "
        "(direct).",
        choices=KINDS,
    )
    count: int = setting(1000, "Rows.", least=1)
    noise: float = setting(0.2, "Standard deviation of the noise on each value.", least=0)
    seed: int = setting(0, "Seed of the rows.", least=0)


def curve(z: Tensor) -> Tensor:
    """f(z) = 2 + sin(z/2 - 1) / 2 + sin(z) + sin(2 z + 2) + sin(z/4 + 1), of any shape [...].

    Its range over [-2, 10] is 0.0738 to 4.4961; f(0) = 3.330033.
    """
    return 2 + (z / 2 - 1).sin() / 2 + z.sin() + (2 * z + 2).sin() + (z / 4 + 1).sin()


def inverse_fixed(
    count: int, *, num_steps: int = FIXED, noise: float = 0.1, seed: int = 0
) -> Batch:
    """xs [T, N, 1], values of the curve, and targets z [N, 1]."""
    generator = torch.Generator().manual_seed(seed)
    z = HIGH * torch.rand(count, generator=generator, dtype=torch.float64)
    return Batch(_values(z, num_steps, noise, generator), z.float()[:, None])


def inverse_variable(count: int, *, noise: float = 0.1, seed: int = 0) -> Batch:
    """xs [4, N, 1], targets z [N, 1], and lengths [N], which are 2, 3 or 4 with equal chances."""
    batch = inverse_fixed(count, num_steps=MOST, noise=noise, seed=seed)
    lengths = _lengths(count, seed)
    return Batch(_cut(batch.xs, lengths), batch.targets, lengths)


def inverse_direct(count: int, *, noise: float = 0.1, seed: int = 0) -> Batch:
    """xs and targets [4, N, 1] with lengths [N]; the target of step t is z - t.

    The values, places and lengths are those of `inverse_variable` for the same seed.
    """
    batch = inverse_fixed(count, num_steps=MOST, noise=noise, seed=seed)
    lengths = _lengths(count, seed)
    targets = batch.targets - torch.arange(MOST)[:, None, None]
    return Batch(_cut(batch.xs, lengths), _cut(targets, lengths), lengths, per_step=True)


def inverse_grid(count: int = 200, *, num_steps: int = FIXED) -> Batch:
    """Without noise, at ``count`` equally spaced z from 0 to 10: what a plot shows."""
    z = torch.linspace(0, HIGH, count, dtype=torch.float64)
    return Batch(_values(z, num_steps, 0.0, torch.Generator()), z.float()[:, None])


def make_inverse(settings: InverseSettings) -> Batch:
    """The rows that settings describe."""
    kinds = {"fixed": inverse_fixed, "variable": inverse_variable, "direct": inverse_direct}
    make = kinds[settings.kind]
    return make(settings.count, noise=settings.noise, seed=settings.seed)


def write_inverse(path: str | PathLike[str], settings: InverseSettings | None = None) -> None:
    """Write the rows as CSV, with the columns of the old files and their names on top.

    fixed: ``x0,x1,x2,z``; variable: ``x0,x1,x2,x3,length,z``; direct:
    ``x0,x1,x2,x3,z0,z1,z2,z3,length``. What is beyond the length is 0.
    """
    settings = settings or InverseSettings()
    batch = make_inverse(settings)
    columns = [batch.xs[..., 0].T]
    names = [f"x{step}" for step in range(len(batch.xs))]
    places = batch.targets[..., 0].T if batch.per_step else batch.targets
    lengths = [] if batch.lengths is None else [batch.lengths[:, None]]
    if batch.per_step:
        columns += [places, *lengths]
        names += [f"z{step}" for step in range(len(batch.xs))] + ["length"]
    else:
        columns += [*lengths, places]
        names += ["length"] * len(lengths) + ["z"]
    rows = torch.cat([column.double() for column in columns], dim=1).numpy()
    with atomic(Path(path), "w") as file:
        # nine digits give a float32 back exactly
        np.savetxt(file, rows, fmt="%.9g", delimiter=",", header=",".join(names), comments="")


def read_inverse(path: str | PathLike[str]) -> Batch:
    """The rows of a file of `write_inverse`, of the kind that its columns tell.

    Raises ArgumentError for a file with other columns or with rows that are no numbers.
    """
    path = existing_file(path, "FILE")
    with open(path, encoding="utf-8") as file:
        names = file.readline().strip().split(",")
        xs = [number for number, name in enumerate(names) if name[:1] == "x"]
        zs = [number for number, name in enumerate(names) if name[:1] == "z"]
        if not xs or len(zs) not in (1, len(xs)):
            raise ArgumentError(
                str(path), wanted="a file with columns x0, x1, ..., z", got=", ".join(names)
            )
        rows = torch.from_numpy(_numbers(file, path))
    lengths = rows[:, names.index("length")].long() if "length" in names else None
    values, places = rows[:, xs].float().T[..., None], rows[:, zs].float()
    per_step = len(zs) > 1
    return Batch(values, places.T[..., None] if per_step else places, lengths, per_step)


def _numbers(file: TextIO, path: Path) -> np.ndarray:
    try:
        return np.loadtxt(file, delimiter=",", ndmin=2)
    except ValueError as error:
        raise ArgumentError(str(path), wanted="rows of numbers", got=f"others ({error})") from error


def _values(z: Tensor, num_steps: int, noise: float, generator: torch.Generator) -> Tensor:
    places = z - torch.arange(num_steps)[:, None]
    drawn = torch.randn(places.shape, generator=generator, dtype=torch.float64)
    return (curve(places) + noise * drawn).float()[..., None]


def _lengths(count: int, seed: int) -> Tensor:
    # a stream of its own, so that the values are those of fixed rows of four steps
    generator = torch.Generator().manual_seed(seed + (1 << 32))
    return torch.randint(LEAST, MOST + 1, (count,), generator=generator)


def _cut(steps: Tensor, lengths: Tensor) -> Tensor:
    return steps * (torch.arange(len(steps))[:, None] < lengths)[..., None]
