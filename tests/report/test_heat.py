"""Heat maps of hidden units."""

import base64
import re
import zlib

import numpy as np
import pytest
import torch
from torch import nn

from ostinato import HeldDropout, Residual, Stack, WeightDrop, cells, unroll
from ostinato.report import Activations, run_and_record
from ostinato.report.heat import _alike, _png, draw_activations


def picture(page: str, number: int = 0) -> bytes:
    return base64.b64decode(re.findall(r'src="data:image/png;base64,([^"]+)"', page)[number])


def test_a_picture_holds_every_value() -> None:
    levels = np.array([[0, 127, -127], [1, -1, 64]], np.int8)
    png = _png(levels)
    assert png.startswith(b"\x89PNG")
    assert png[16:24] == (3).to_bytes(4) + (2).to_bytes(4)
    start = png.index(b"IDAT") + 4
    rows = zlib.decompress(png[start : png.index(b"IEND") - 8])
    assert np.array_equal(np.frombuffer(rows, np.int8).reshape(2, 4)[:, 1:], levels)
    opacity = png[png.index(b"tRNS") + 4 :][:256]
    assert (opacity[0], opacity[127], opacity[256 - 127]) == (0, 255, 255)


def test_matplotlib_reads_the_picture() -> None:
    image = pytest.importorskip("matplotlib.image")
    from io import BytesIO

    read = image.imread(BytesIO(_png(np.array([[127, -127, 0]], np.int8))))
    assert read.shape == (1, 3, 4)
    assert read[0, 0, 0] > read[0, 0, 2]  # orange
    assert read[0, 1, 2] > read[0, 1, 0]  # blue
    assert read[0, :, 3].tolist() == [1, 1, 0]


def test_units_that_act_alike_stand_together() -> None:
    time = np.linspace(0, 6, 50)
    courses = [np.sin(time), np.cos(time)]
    values = np.stack([courses[n % 2] * (1 + n) for n in range(10)], axis=1)
    order = _alike(values, np.arange(10)) % 2
    assert sorted(order) == [0] * 5 + [1] * 5
    assert np.count_nonzero(np.diff(order)) <= 2


@pytest.mark.parametrize(("steps", "units"), [(1, 1), (1, 5), (7, 1), (3, 4)])
def test_any_size(steps: int, units: int) -> None:
    page = draw_activations(Activations("It.", {"layer 1": torch.randn(steps, units)}))
    assert picture(page)[16:24] == steps.to_bytes(4) + units.to_bytes(4)


def test_numbers_that_are_none_and_all_zero() -> None:
    values = torch.tensor([[0.0, float("nan")], [float("inf"), 0.0]])
    assert 'data-scale="0.00787402"' in draw_activations(Activations("It.", {"layer 1": values}))


def test_a_large_model_is_cut_to_what_a_screen_shows() -> None:
    layers = {f"layer {n}": torch.randn(500, 1000) for n in range(8)}
    page = draw_activations(Activations("It.", layers))
    assert page.count("<img") == 6
    assert picture(page)[16:24] == (160).to_bytes(4) + (128).to_bytes(4)
    assert "of 1000 units, the 128 that change most" in page
    assert len(page) < 600_000


def test_the_text_stands_under_the_steps() -> None:
    pieces = ["<", "\u05d0", " ", "\x00"]
    page = draw_activations(
        Activations("A & B.", {"layer 1": torch.randn(4, 2)}, rows={"reads": pieces})
    )
    assert re.findall(r"<bdi[^>]*>(.*?)</bdi>", page) == ["&lt;", "\u05d0", "\u2423", "\u2400"]
    assert "A &amp; B." in page
    assert "texts long" not in page
    words = Activations("It.", {"layer 1": torch.randn(2, 2)}, rows={"reads": ["the", "librarian"]})
    assert "texts long" in draw_activations(words)
    assert "--least" not in draw_activations(words)
    crowd = Activations("It.", {"layer 1": torch.randn(2, 2)}, rows={"reads": ["many", "words"]})
    assert "--least" in draw_activations(crowd)


def test_nothing_is_drawn_of_no_layers() -> None:
    assert draw_activations(Activations("It.", {})) == ""


def test_layers_are_found_in_any_composite() -> None:
    torch.manual_seed(0)
    below, first, second = nn.Linear(3, 3), cells.LSTM(3, 4), cells.GRU(4, 4)
    stack = Stack(
        below, HeldDropout(3, 0.5), WeightDrop(first), Residual(second), nn.Linear(4, 2)
    ).eval()
    xs, before = torch.randn(6, 2, 3), torch.get_rng_state()
    ys, (one, two) = run_and_record(stack, xs)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.allclose(ys, unroll(stack, xs)[0], atol=1e-6)
    assert torch.allclose(one, unroll(first, below(xs))[0], atol=1e-6)
    assert torch.allclose(two, unroll(second, one)[0], atol=1e-6)


def test_dense_stacks_hand_on_what_they_have_seen() -> None:
    stack = Stack(cells.GRU(2, 3), cells.GRU(5, 3), nn.Linear(8, 1), skip="dense").eval()
    ys, layers = run_and_record(stack, torch.randn(4, 1, 2))
    assert [layer.shape for layer in layers] == [(4, 1, 3), (4, 1, 3)]
    assert ys.shape == (4, 1, 1)
