"""The settings of a language model, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass

from ostinato.cell_names import INIT_HELP, INITS, NORM_PENALTY_HELP
from ostinato.data.settings import Settings, setting
from ostinato.errors import ArgumentError


@dataclass(frozen=True)
class ModelSettings(Settings):
    """The parts of a language model and their sizes.

    Raises ArgumentError for settings that contradict each other.
    """

    cell: str = setting("lstm", "lstm, gru, elman, or any cell as package.module:Class.")
    layers: int = setting(1, "Recurrent layers.", least=1, bound=1000)
    size: int = setting(320, "Hidden units of each layer.", least=1, bound=1_000_000)
    embedding: int = setting(
        64, "Size of the token embedding; 0 reads tokens one-hot.", least=0, bound=1_000_000
    )
    direction: str = setting(
        "forward",
        "both tells each token from those before and after it; such a model cannot be sampled.",
        choices=("forward", "both"),
    )
    output: str = setting(
        "softmax",
        "Scores of all tokens, of the frequent ones and groups of others (adaptive), or trained "
        "against noise by the scores of a few (nce).",
        choices=("softmax", "adaptive", "nce"),
    )
    cutoffs: str | None = setting(
        None,
        "Where the groups of adaptive end, such as 2000,6000 most frequent tokens; by default a "
        "tenth and half of the vocabulary.",
    )
    nce_samples: int | None = setting(
        None,
        "Noise tokens that nce draws for each batch; by default 100.",
        least=1,
        bound=1_000_000,
    )
    tied: bool = setting(False, "Use the embedding's weights in the output layer too.")
    residual: bool = setting(False, "Add its input to the output of each layer but the first.")
    layer_norm: bool = setting(False, "Normalise the gates of the cell.")
    init: str = setting("orthogonal", INIT_HELP, choices=INITS)
    uniform: float | None = setting(
        None,
        "Draw all weights and biases from [-u, u], in place of what init says, as older papers do.",
        least=0,
    )
    input_dropout: float = setting(0.1, "Dropout on the embedding.", least=0, below=1)
    dropout: float = setting(0.2, "Dropout on the output of each layer.", least=0, below=1)
    held_dropout: bool = setting(
        True, "Hold each dropout mask for a whole piece of T steps, in place of one step."
    )
    recurrent_dropout: float = setting(
        0.0, "Dropout on the state that the recurrent weights read.", least=0, below=1
    )
    weight_drop: float = setting(0.0, "Dropout of the recurrent weights.", least=0, below=1)
    zoneout: float = setting(0.0, "Share of the state that keeps its old value.", least=0, below=1)
    norm_penalty: float = setting(0.0, NORM_PENALTY_HELP, least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_tied(self)
        _check_output(self)
        if self.recurrent_dropout and self.zoneout:
            raise ArgumentError(
                "zoneout",
                wanted="either `zoneout` or `recurrent_dropout`",
                got=f"{self.zoneout} and {self.recurrent_dropout}",
                remedy="Both act on the state; leave one at 0.",
            )


def parse_cutoffs(written: str) -> list[int]:
    """Cutoffs as numbers. Raises ArgumentError where they are no growing, positive numbers."""
    try:
        found = [int(part) for part in written.split(",")]
    except ValueError:
        found = []
    if not found or found != sorted(set(found)) or found[0] < 1:
        raise ArgumentError(
            "cutoffs", wanted="growing numbers with commas, such as 2000,6000", got=repr(written)
        )
    return found


def _check_tied(settings: ModelSettings) -> None:
    if not settings.tied:
        return
    if not settings.embedding:
        raise ArgumentError(
            "tied",
            wanted="an embedding, whose weights the output layer can use",
            got="`embedding=0`, one-hot input",
            remedy="Give a size of the `embedding`, or leave `tied` off.",
        )
    if settings.output != "softmax":
        raise ArgumentError(
            "tied",
            wanted="the output softmax, which has a weight for each row of the embedding",
            got=f"the output {settings.output}",
            remedy="Leave one of them out.",
        )


def _check_output(settings: ModelSettings) -> None:
    for name, output in (("nce_samples", "nce"), ("cutoffs", "adaptive")):
        value = getattr(settings, name)
        if value is not None and settings.output != output:
            raise ArgumentError(
                name,
                wanted=f"the output {output}, which it belongs to",
                got=f"{value} with the output {settings.output}",
                remedy=f"Choose `output={output}`, or leave `{name}` out.",
            )
    if settings.cutoffs is not None:
        parse_cutoffs(settings.cutoffs)
