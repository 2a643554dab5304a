"""The settings of training."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError
from ostinato.train.optimiser import OPTIMISERS
from ostinato.train.schedule import SCHEDULES


@dataclass(frozen=True)
class TrainSettings(Settings):
    """How long to train, by which rule, and how often to look."""

    epochs: float = setting(
        14, "Passes over the data; parts of one are possible.", least=0, bound=1e9
    )
    steps: int | None = setting(None, "Updates, in place of epochs.", least=0)
    optimiser: str = setting("adamw", "The update rule.", choices=tuple(OPTIMISERS))
    lr: float | None = setting(
        None,
        "Learning rate, at its highest; by default 0.004 for adamw, 0.001 for adam, and 0.01 for "
        "sgd, momentum and rmsprop.",
        least=0,
    )
    schedule: str = setting(
        "cosine", "How the learning rate changes, by step.", choices=tuple(SCHEDULES)
    )
    lr_decay: float = setting(
        0.95, "What exponential multiplies the learning rate by, at each epoch.", least=0, most=1
    )
    decay_after: int = setting(1, "Epochs before exponential lowers the rate.", least=1)
    warm_up: float = setting(
        0.03,
        "Share of the steps in which the learning rate rises from 0 (not onecycle, plateau and "
        "exponential).",
        least=0,
        below=1,
    )
    final_lr: float = setting(
        0.0, "Where a falling schedule ends, as a share of lr.", least=0, most=1
    )
    weight_decay: float | None = setting(
        None,
        "Decay of weight matrices (not of biases); by default 0.01 for adamw, else none.",
        least=0,
    )
    momentum: float = setting(0.9, "Momentum of the optimiser momentum.", least=0, below=1)
    clip: float = setting(1.0, "Largest norm of the gradient; 0 for any.", least=0)
    max_norm: float = setting(
        0.0, "Largest norm of each row of a weight matrix; 0 for any.", least=0
    )
    ema: float = setting(
        0.0, "Judge an average of the weights with this decay, such as 0.999.", least=0, below=1
    )
    patience: int = setting(
        0, "Stop after so many validations without a better one; 0 never stops early.", least=0
    )
    validate_every: int = setting(200, "Steps between validations (and checkpoints).", least=1)
    sample_every: int = setting(1000, "Steps between samples; 0 for none.", least=0)
    log_every: int = setting(1, "Steps between lines of metrics.jsonl.", least=1)
    tensorboard: bool = setting(False, "Write files for TensorBoard in the run's directory too.")
    seed: int = setting(0, "Seed of all that is random.", least=0)
    threads: str | int = setting(
        "auto",
        "CPU threads; auto takes as many as are of use for the model and the batches, on the cores "
        "that there are. A run keeps its number.",
        least=1,
        bound=1024,
    )
    device: str = setting("auto", "cpu, cuda, cuda:1, ...; auto takes a GPU where there is one.")

    def __post_init__(self) -> None:
        threads = self.threads
        if isinstance(threads, str) and threads != "auto":
            if not threads.isdecimal():
                raise ArgumentError(
                    "threads",
                    wanted='"auto" or a whole number of at least 1',
                    got=repr(threads),
                    remedy="auto takes as many as are of use.",
                )
            object.__setattr__(self, "threads", int(threads))
        super().__post_init__()

    def total_steps(self, steps_per_epoch: int) -> int:
        """Updates in the whole run."""
        return round(self.epochs * steps_per_epoch) if self.steps is None else self.steps

    def torch_device(self) -> torch.device:
        """The device by its name. Raises ArgumentError for one that this machine does not have."""
        if self.device == "auto":
            if not torch.cuda.is_available():
                return torch.device("cpu")
            # a launcher of several processes gives each its own GPU
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        try:
            made = torch.zeros((), device=self.device)
            made.item()  # meta tensors have no numbers
            return made.device
        # torch raises RuntimeError for an unknown name, AssertionError for a torch without CUDA.
        except (RuntimeError, AssertionError) as error:
            raise ArgumentError(
                "device",
                wanted="a device that torch has here",
                got=repr(self.device),
                remedy="Use cpu, or leave it at auto.",
            ) from error
