"""Supervised tasks: a sequence, or each of its steps, and what is wanted of it.

`SupervisedTask` is what a solver trains: a model (`SequenceModel`: any cell) on a `Problem`, which
has samples and an aim (`Regression`, `Classification`). `RECIPES` are the tasks of the command
line, a short file each.
"""

from ostinato.tasks.adding import ADDING
from ostinato.tasks.aim import Aim, Classification, Regression
from ostinato.tasks.attention import ATTENTION
from ostinato.tasks.copying import COPY
from ostinato.tasks.cosine import COS
from ostinato.tasks.digits import DIGITS
from ostinato.tasks.labelled import CLASSIFY, TAG
from ostinato.tasks.model import CellSettings, SequenceModel, SupervisedModelSettings
from ostinato.tasks.problem import Problem
from ostinato.tasks.recipe import Recipe
from ostinato.tasks.supervised import SupervisedTask, predict
from ostinato.tasks.toy import TOY
from ostinato.tasks.visual_attention import Looks, VisualAttention, VisualAttentionSettings

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for recipe in (ADDING, COPY, TOY, COS, DIGITS, ATTENTION, CLASSIFY, TAG)
}
"""The tasks by name, simple ones first."""

__all__ = [
    "RECIPES",
    "Aim",
    "CellSettings",
    "Classification",
    "Looks",
    "Problem",
    "Recipe",
    "Regression",
    "SequenceModel",
    "SupervisedModelSettings",
    "SupervisedTask",
    "VisualAttention",
    "VisualAttentionSettings",
    "predict",
]
