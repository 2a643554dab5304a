"""Recurrent attention, and what trains it: random decisions that learn from a reward.

Mnih, Heess, Graves and Kavukcuoglu 2014, "Recurrent models of visual attention".
"""

from ostinato.attention.glimpse import glimpse
from ostinato.attention.recurrent_attention import RecurrentAttention
from ostinato.attention.reinforce import Reinforce, Sample
from ostinato.attention.reward import ClassReward, reinforce_loss

__all__ = [
    "ClassReward",
    "RecurrentAttention",
    "Reinforce",
    "Sample",
    "glimpse",
    "reinforce_loss",
]
