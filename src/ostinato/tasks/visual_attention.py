"""A network that looks at an image piece by piece, and decides itself where to look next."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, Uniform

from ostinato import Explanation, Recurrent, Stack, explain
from ostinato.attention import ClassReward, RecurrentAttention, Reinforce, Sample, glimpse
from ostinato.cell import Cell
from ostinato.cell_names import make_layer, output_size
from ostinato.data import Batch
from ostinato.data.memory import within_memory
from ostinato.data.settings import setting
from ostinato.errors import ArgumentError
from ostinato.tasks.model import CellSettings

# Sides of an image that the widest patch of a look may have.
_WIDEST = 16


@dataclass(frozen=True)
class VisualAttentionSettings(CellSettings):
    """The parts of the network and their sizes."""

    cell: str = setting(
        "elman",
        "elman, as published: with ReLU and a learned start; lstm, gru, or any cell as "
        "package.module:Class.",
    )
    size: int = setting(128, "Hidden units of the cell.", least=1, bound=1_000_000)
    glimpses: int = setting(6, "How often the network looks at an image.", least=1, bound=1000)
    patch: int = setting(4, "Height and width of the finest patch of a look, in pixels.", least=1)
    depth: int = setting(2, "Patches of a look, round one place.", least=1, bound=32)
    scale: int = setting(
        2, "How many times as wide each patch is as the one before.", least=1, bound=32
    )
    sensor: int = setting(
        64, "Units for what is seen, and as many for where.", least=1, bound=1_000_000
    )
    joint: int = setting(128, "Units that join the two.", least=1, bound=1_000_000)
    std: float = setting(
        0.11,
        "Deviation of the places that are drawn in training, as a share of a side (or of twice "
        "unit-pixels).",
        least=1e-3,
    )
    unit_pixels: float = setting(
        0.0,
        "How far from the middle a place can be, in pixels; 0 allows all of the image.",
        least=0,
    )
    reward: float = setting(
        0.1,
        "Reward for a right answer: how much learning where to look weighs, whose gradient is "
        "mostly noise at first, beside learning what is seen.",
        least=0,
    )
    look: str = setting(
        "learned",
        "Places learned by reward; or drawn at random, to see what learning them is worth.",
        choices=("learned", "random"),
    )
    stochastic: bool = setting(
        False, "Draw places where the network is judged too, in place of their mean."
    )


class Looks(NamedTuple):
    """Scores [B, C] of images, and the places [T, B, 2] that were looked at, with log_prob [T, B].

    A place is (y, x) from (-1, -1), the top left corner, to (1, 1).
    """

    scores: Tensor
    places: Tensor
    log_prob: Tensor


@final
class VisualAttention(nn.Module):
    """Classes of images by a few looks at parts of each: RAM (Mnih et al. 2014, figure 1)::

        l ~ Normal(locator(h), std)           # h = 0 before the first look
        h = rnn(sensor(image, l), h)          # so ``glimpses`` times, then
        scores = readout(h)

    Images of ``side`` (height, width) come as the sequences of their rows, xs [H, B, W], as
    `ostinato.data` reads them. In training places are drawn, in evaluation they are the mean unless
    the settings say ``stochastic``. Raises ArgumentError for a patch or a reach that is larger than
    the images.
    """

    @within_memory("model", "a model")
    def __init__(
        self,
        side: tuple[int, int],
        classes: int,
        settings: VisualAttentionSettings | None = None,
    ) -> None:
        super().__init__()
        self.side, self.settings = side, settings or VisualAttentionSettings()
        settings = self.settings
        _check("patch", settings.patch, min(side), side)
        # beyond twice the image a patch sees more nothing; a wider one is a slip, and much memory
        widest = settings.patch * settings.scale ** (settings.depth - 1)
        _check("depth", widest, _WIDEST * max(side), side, "pixels of the widest patch")
        _check("unit_pixels", settings.unit_pixels, min(side) / 2, side)
        cell = _cell(settings)
        hidden = output_size(cell, settings.joint)
        rnn = Stack(Sensor(settings), cell)
        locator = Locator(hidden, side, settings)
        self.network = RecurrentAttention(rnn, locator, settings.glimpses, hidden)
        self.readout = nn.Linear(hidden, classes)
        self.baseline = nn.Parameter(torch.zeros(1))
        self.reward = ClassReward(settings.reward)

    def forward(self, xs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Scores [B, C] of images xs [H, B, W]."""
        return self.look(xs).scores

    def look(self, xs: Tensor) -> Looks:
        """Scores of images xs [H, B, W], and where they come from."""
        ys, actions = self.network(_images(xs))
        assert isinstance(actions, Sample)
        return Looks(self.readout(ys[-1]), actions.value, actions.log_prob)

    def loss(self, batch: Batch) -> Tensor:
        """The cross-entropy of a batch, whose gradient is that of the rewarded places as well.

        What REINFORCE adds has the value 0, so that the loss compares with that of held-out images.
        """
        scores, _, log_prob = self.look(batch.xs)
        baseline = self.baseline.expand(len(scores))
        rewarded = self.reward(scores, batch.targets, log_prob, baseline)
        return F.cross_entropy(scores, batch.targets) + rewarded - rewarded.detach()

    def summary(self) -> str:
        """The model in a few words."""
        made = self.settings
        where = "" if made.look == "learned" else " at random places"
        return f"{made.cell} {made.size}, {made.glimpses} looks{where}"

    def explain(self, xs: Tensor, lengths: Tensor | None = None) -> list[Explanation]:
        """Which backend runs the looks at images xs [H, B, W]."""
        images = _images(xs).expand(self.settings.glimpses, -1, -1, -1, -1)
        return [explain(self.network.cell, images)]


@final
class Sensor(nn.Module):
    """What is seen, and where::

        g = relu(joint([relu(what(patches)), relu(where(place))]))

    Takes the pair (images [B, 1, H, W], places [B, 2]) to g [B, joint].
    """

    def __init__(self, settings: VisualAttentionSettings) -> None:
        super().__init__()
        self.settings = settings
        self.what = nn.Linear(settings.depth * settings.patch**2, settings.sensor)
        self.where = nn.Linear(2, settings.sensor)
        self.joint = nn.Linear(2 * settings.sensor, settings.joint)

    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        images, place = pair
        seen = patches(images, place, self.settings).flatten(1)
        both = torch.cat([self.what(seen), self.where(place)], dim=1)
        return torch.relu(self.joint(torch.relu(both)))


def patches(images: Tensor, place: Tensor, settings: VisualAttentionSettings) -> Tensor:
    """What is seen of images [B, 1, H, W] at places [B, 2]: patches [B, depth, patch, patch]."""
    return glimpse(images, place, settings.patch, depth=settings.depth, scale=settings.scale)


@final
class Locator(nn.Module):
    """Where to look next: h [B, H] to a `Sample` with value [B, 2], (y, x) from -1 to 1."""

    def __init__(
        self, hidden: int, side: tuple[int, int], settings: VisualAttentionSettings
    ) -> None:
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(hidden, 2), nn.Hardtanh())
        # from -1 to 1 it is 2, of which std is a share
        # what is no finite number is found in the loss, and told of there
        normal = partial(Normal, scale=2 * settings.std, validate_args=False)
        learned = settings.look == "learned"
        self.draw = Reinforce(
            normal if learned else anywhere, stochastic=settings.stochastic or not learned
        )
        unit = settings.unit_pixels
        self.reach = tuple(2 * unit / size if unit else 1.0 for size in side)

    def forward(self, h: Tensor) -> Sample:
        value, log_prob = self.draw(self.mean(h))
        # no image has a place that is no number; the loss, which is none then either, tells of it
        place = value.nan_to_num(0.0).clamp(-1, 1)
        return Sample(place * value.new_tensor(self.reach), log_prob)


def anywhere(mean: Tensor) -> Distribution:
    """All places alike, whatever the network wants: mean [B, 2] gives only their number."""
    return Uniform(-torch.ones_like(mean), torch.ones_like(mean))


def _cell(settings: VisualAttentionSettings) -> Cell:
    width, size = settings.joint, settings.size
    if settings.cell == "elman":
        feedback = nn.Linear(size, size)
        # a ReLU network that remembers at first (Le, Jaitly and Hinton 2015)
        nn.init.eye_(feedback.weight)
        return Recurrent(size, nn.Linear(width, size), feedback, nn.ReLU())
    return make_layer(settings.cell, width, size)


def _images(xs: Tensor) -> Tensor:
    """Rows xs [H, B, W] as images [B, 1, H, W]."""
    return xs.transpose(0, 1).unsqueeze(1)


def _check(argument: str, value: float, most: float, side: tuple[int, int], unit: str = "") -> None:
    if value > most:
        raise ArgumentError(
            argument,
            wanted=f"at most {most:g} {unit}".rstrip() + f", for images of {side[0]} x {side[1]}",
            got=f"{value:g}",
        )
