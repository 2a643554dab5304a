"""Losses over sequences: step by step, over the rows that are there, and over large vocabularies.

What `torch.nn` has (NLL, cross-entropy, MSE, adaptive softmax) is taken from there.
"""

from ostinato.criteria.alias_sampler import AliasSampler
from ostinato.criteria.mask_zero import MaskZeroCriterion
from ostinato.criteria.noise_contrastive import NCELoss, nce_loss
from ostinato.criteria.norm_stabilizer import NormStabilizer
from ostinato.criteria.partial_cross_entropy import partial_cross_entropy
from ostinato.criteria.sequencer import RepeaterCriterion, SequencerCriterion

__all__ = [
    "AliasSampler",
    "MaskZeroCriterion",
    "NCELoss",
    "NormStabilizer",
    "RepeaterCriterion",
    "SequencerCriterion",
    "nce_loss",
    "partial_cross_entropy",
]
