"""Memory is refused in words before it is taken."""

import pytest
import torch
from torch import nn

from ostinato.data.memory import check_memory, in_words, memory, within_memory
from ostinato.errors import ArgumentError
from ostinato.seq2seq import EncoderDecoder, Seq2SeqModelSettings
from ostinato.series import Forecaster, SeriesModelSettings
from ostinato.tasks import SequenceModel, SupervisedModelSettings
from ostinato.tasks.visual_attention import VisualAttention, VisualAttentionSettings
from ostinato.text import BidirectionalModel, LanguageModel, ModelSettings

HUGE = 1_000_000


def test_there_is_some() -> None:
    assert memory() > 10**8
    check_memory("size", 10**6, "a model")
    with pytest.raises(ArgumentError, match=r"size: wanted a model that fits .* got one of 1,000,"):
        check_memory("size", 10**15, "a model")
    assert (in_words(2_500_000), in_words(3 * 10**10)) == ("2.5 MB", "30.0 GB")


@pytest.mark.parametrize(
    "make",
    [
        lambda: LanguageModel(10, ModelSettings(size=HUGE)),
        lambda: LanguageModel(10, ModelSettings(size=20_000, layers=1000)),
        lambda: BidirectionalModel(10, ModelSettings(size=HUGE, direction="both")),
        lambda: Forecaster(1, SeriesModelSettings(size=HUGE)),
        lambda: EncoderDecoder(9, 9, Seq2SeqModelSettings(size=HUGE)),
        lambda: SequenceModel(3, 2, SupervisedModelSettings(size=HUGE)),
        lambda: VisualAttention((8, 8), 10, VisualAttentionSettings(size=HUGE, joint=HUGE)),
    ],
)
def test_models_that_fit_nowhere_are_refused_at_once(make) -> None:
    with pytest.raises(ArgumentError, match="wanted a model that fits into the memory"):
        make()


def test_the_numbers_drawn_are_the_same_as_without() -> None:
    @within_memory("model", "a model")
    def bounded() -> nn.Linear:
        return nn.Linear(5, 7)

    torch.manual_seed(3)
    one = bounded()
    torch.manual_seed(3)
    assert torch.equal(one.weight, nn.Linear(5, 7).weight)


def test_many_small_tensors_are_counted_together(monkeypatch) -> None:
    monkeypatch.setattr("ostinato.data.memory.memory", lambda: 1000)

    @within_memory("model", "a model")
    def made(number: int) -> list[torch.Tensor]:
        return [torch.zeros(25) for _ in range(number)]

    assert len(made(10)) == 10
    with pytest.raises(ArgumentError, match="got one of 0"):
        made(11)
