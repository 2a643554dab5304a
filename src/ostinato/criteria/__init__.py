"""Losses over sequences, and regularisers."""

from ostinato.criteria.norm_stabilizer import NormStabilizer

__all__ = ["NormStabilizer"]
