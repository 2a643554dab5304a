"""Models of published packages, as they are and after `ostinato.nn.swap`: results and speed.

``python -m benchmarks.published [NAME...]`` prints the table that docs/fits.md holds. Weights are
random. Stands apart from `parts.PARTS`: the packages are many and large, and none is needed here;
what cannot be imported is named and left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks import environment
from benchmarks.markdown import table, times
from benchmarks.race import Effort, race
from ostinato.nn import swap

Step = Callable[[nn.Module], Tensor]
"""From a model to something that its weights can be trained by."""


@dataclass(frozen=True)
class Published:
    """A model of a package, and how it is called."""

    package: str
    about: str
    make: Callable[[], tuple[nn.Module, Step]]


def asteroid() -> tuple[nn.Module, Step]:
    from asteroid.models import DPRNNTasNet

    sound = torch.randn(1, 8000)
    return DPRNNTasNet(n_src=2, n_repeats=2), lambda model: model(sound)


def demucs() -> tuple[nn.Module, Step]:
    from demucs.hdemucs import HDemucs

    sound = torch.randn(1, 2, 44100)
    return HDemucs(["voice", "other"], channels=16), lambda model: model(sound)


def openunmix() -> tuple[nn.Module, Step]:
    from openunmix.model import OpenUnmix

    spectrum = torch.rand(1, 2, 2049, 100)
    return OpenUnmix(nb_bins=2049, nb_channels=2), lambda model: model(spectrum)


def encodec() -> tuple[nn.Module, Step]:
    from encodec import EncodecModel

    sound = torch.randn(1, 1, 12000)
    model = EncodecModel.encodec_model_24khz(pretrained=False)
    # what is between them rounds to a code book
    return model, lambda model: model.decoder(model.encoder(sound))


def transformers() -> tuple[nn.Module, Step]:
    from transformers import EncodecConfig, EncodecModel

    sound = torch.randn(1, 1, 12000)
    return EncodecModel(EncodecConfig()), lambda model: model.decoder(model.encoder(sound))


def easyocr() -> tuple[nn.Module, Step]:
    from easyocr.model.vgg_model import Model

    image = torch.randn(4, 1, 64, 300)
    return Model(1, 256, 256, 97), lambda model: model(image, None)


def speechbrain() -> tuple[nn.Module, Step]:
    from speechbrain.lobes.models.CRDNN import CRDNN
    from speechbrain.nnet.RNN import GRU

    spectrum = torch.randn(4, 100, 40)
    model = CRDNN(input_shape=[None, None, 40], rnn_class=GRU, rnn_layers=2, rnn_neurons=128)
    return model, lambda model: model(spectrum)


def resemblyzer() -> tuple[nn.Module, Step]:
    from resemblyzer.voice_encoder import VoiceEncoder

    spectrum = torch.randn(4, 80, 40)
    model = VoiceEncoder("cpu", verbose=False)
    model.lstm.reset_parameters()
    return model, lambda model: model(spectrum)


def flair() -> tuple[nn.Module, Step]:
    from flair.data import Dictionary, Sentence
    from flair.embeddings import OneHotEmbeddings
    from flair.models import SequenceTagger

    words = [f"w{i}" for i in range(50)]
    rows = [" ".join(words[i : i + n]) for i, n in ((0, 30), (5, 12), (20, 21), (3, 25))]
    vocabulary = Dictionary()
    for word in words:
        vocabulary.add_item(word)
    tags = Dictionary(add_unk=False)
    for tag in ("noun", "verb"):
        tags.add_item(tag)
    model = SequenceTagger(
        OneHotEmbeddings(vocabulary, embedding_length=64),
        tags,
        "pos",
        hidden_size=128,
        use_crf=False,
    )

    def step(model: nn.Module) -> Tensor:
        sentences = [Sentence(row) for row in rows]
        for sentence in sentences:
            for i, token in enumerate(sentence):
                token.add_label("pos", "noun" if i % 3 else "verb")
        return model.forward_loss(sentences)[0]  # pyright: ignore[reportCallIssue]

    return model, step


def gluonts() -> tuple[nn.Module, Step]:
    from gluonts.torch.model.deepar.module import DeepARModel

    model = DeepARModel("D", context_length=90, prediction_length=14, hidden_size=64)
    rows, past = 32, model._past_length
    before = torch.rand(rows, past, 1), torch.rand(rows, past), torch.ones(rows, past)
    after = torch.rand(rows, 14, 1), torch.rand(rows, 14), torch.ones(rows, 14)
    static = torch.zeros(rows, 1, dtype=torch.long), torch.zeros(rows, 1)
    return model, lambda model: model.loss(*static, *before, *after)  # pyright: ignore


MODELS: dict[str, Published] = {
    "asteroid": Published("asteroid", "`DPRNNTasNet`, source separation", asteroid),
    "demucs": Published("demucs", "`HDemucs`, source separation", demucs),
    "openunmix": Published("openunmix", "`OpenUnmix`, source separation", openunmix),
    "encodec": Published("encodec", "`EncodecModel`, audio codec", encodec),
    "transformers": Published("transformers", "`EncodecModel`, audio codec", transformers),
    "easyocr": Published("easyocr", "`vgg_model.Model`, OCR", easyocr),
    "speechbrain": Published("speechbrain", "`CRDNN` with its GRU, speech", speechbrain),
    "resemblyzer": Published("resemblyzer", "`VoiceEncoder`, speakers", resemblyzer),
    "flair": Published("flair", "`SequenceTagger`, tagging (packed rows)", flair),
    "gluonts": Published("gluonts", "`DeepARModel`, forecasting", gluonts),
}


def training_step(model: nn.Module, step: Step) -> dict[str, Tensor]:
    """Forward and backward; the output and the gradients that there are."""
    torch.manual_seed(1)  # of dropout
    model.zero_grad(set_to_none=True)
    y = step(model)
    y.square().mean().backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"output": y.detach(), **grads}


def infer(model: nn.Module, step: Step) -> Tensor:
    with torch.no_grad():
        return step(model)


def furthest(got: dict[str, Tensor], want: dict[str, Tensor]) -> float:
    """The largest difference of two results, each as a share of its tensor's largest entry.

    But for gradients that are nothing but rounding, as those of a bias before a normalisation.
    """
    assert list(got) == list(want)
    largest = {name: leaf.abs().max().item() for name, leaf in want.items()}
    nothing = 1e-5 * max(largest.values())
    return max(
        (got[name] - want[name]).abs().max().item() / size
        for name, size in largest.items()
        if size > nothing
    )


def pair(published: Published) -> tuple[nn.Module, nn.Module, Step, int]:
    """The model as it is, a swapped copy of it, its step, and how many layers were swapped."""
    torch.manual_seed(0)
    theirs, _ = published.make()
    ours, step = published.make()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours, step, len(swap(ours).replaced)


def measure(published: Published, effort: Effort) -> list[str]:
    """A line of the table."""
    theirs, ours, step, count = pair(published)
    apart = furthest(training_step(ours, step), training_step(theirs, step))
    models = {"ours": ours, "theirs": theirs}
    trained = race({n: partial(training_step, m, step) for n, m in models.items()}, effort)
    for model in models.values():
        model.eval()
    inferred = race({n: partial(infer, m, step) for n, m in models.items()}, effort)
    ratios = (found.ratio("ours", "theirs") for found in (trained, inferred))
    return [published.package, published.about, str(count), f"{apart:.0e}", *map(times, ratios)]


HEADINGS = ["package", "model", "layers swapped", "furthest apart", "training step", "inference"]


def main() -> None:
    """Print the table."""
    lines: list[list[Any]] = []
    for name in sys.argv[1:] or MODELS:
        try:
            lines.append(measure(MODELS[name], Effort(seconds=4.0)))
        except ImportError as error:
            print(f"{name}: left out: {error}", flush=True)
    print(*table(HEADINGS, lines), environment.describe(), sep="\n")


if __name__ == "__main__":
    main()
