"""The bidirectional language model: each token from those before and after it."""

from __future__ import annotations

from typing import cast, final

from torch import Tensor, nn

from ostinato import BiSequencerLM, Stack
from ostinato.cell import OverTime
from ostinato.data.memory import check_layers, within_memory
from ostinato.text.model import draw_uniform, make_embedding, make_layers, make_output
from ostinato.text.output import Output
from ostinato.text.settings import ModelSettings


@final
class BidirectionalModel(OverTime):
    """Scores of every token from all others of its window: ids [T, B] to [T, B, V].

    An embedding, layers that read forward and layers that read backward (`BiSequencerLM`: neither
    sees the token itself), and an output layer on both. It is no cell and carries no state: what
    reads backward would have to know the future. So it reads windows, and the product of its
    probabilities is no probability of a text. Settings and counts are those of `LanguageModel`;
    ``size`` is that of each direction.
    """

    @within_memory("model", "a model")
    def __init__(
        self, vocabulary: int, settings: ModelSettings | None = None, counts: Tensor | None = None
    ) -> None:
        super().__init__()
        self.vocabulary, self.settings = vocabulary, settings or ModelSettings(direction="both")
        check_layers(self.settings.cell, self.settings.layers, self.settings.size)
        self.embedding, width = make_embedding(vocabulary, self.settings)
        ahead, size = make_layers(self.settings, width)
        back, _ = make_layers(self.settings, width)
        self.layers = BiSequencerLM(Stack(*ahead), Stack(*back))
        # the projection of tied weights, where there is one, and the output
        head = make_output(self.settings, 2 * size, vocabulary, self.embedding, counts)
        self.head = nn.ModuleList(head)
        draw_uniform(self, self.output, self.settings.uniform)

    def forward(self, xs: Tensor, *, mask: Tensor | None = None) -> Tensor:
        return self.output.scores(self.features(xs, mask=mask))

    @property
    def output(self) -> Output:
        """The last layer."""
        return cast("Output", self.head[-1])

    def features(self, xs: Tensor, *, mask: Tensor | None = None) -> Tensor:
        """What the output reads [T, B, D], of ids [T, B], T >= 2, where they are in the mask."""
        h = cast("Tensor", self.layers(self.embedding(xs), mask=mask))
        for projection in self.head[:-1]:
            h = projection(h)
        return h

    def loss(self, xs: Tensor) -> Tensor:
        """The loss to train by, of windows [T, B]."""
        return self.output.loss(self.features(xs), xs)
