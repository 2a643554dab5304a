"""The data that comes with the package is what it says."""

import numpy as np
import torch

from ostinato.data import ImageSettings
from ostinato.data.bundled import FOLDER, carbon_dioxide, digits


def test_digits() -> None:
    made = digits(ImageSettings(standardise=False))
    assert made.summary() == "1,437 images and 360 held out, 8 x 8 as 8 steps of 8 pixels"
    assert made.train.steps.min() == 0
    assert made.train.steps.max() == 1
    counts = torch.bincount(torch.cat([made.train.targets, made.held_out.targets]))
    # the numbers of each digit in the source's own description
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert torch.bincount(made.held_out.targets).min() > 20


def test_carbon_dioxide() -> None:
    series = carbon_dioxide()
    assert series.summary() == (
        "526 steps of 1 month from 1958-03-01 to 2001-12-01, co2; 5 of 526 values are missing"
    )
    values = series.values[:, 0]
    assert values[0] == 316.1
    assert 312 < np.nanmin(values) < 316
    assert 371 < np.nanmax(values) < 375


def test_sources_and_licences_stand_beside_it() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in text
    assert "public domain" in text
    assert all(f"`{path.name}" in text for path in FOLDER.iterdir() if path.suffix in (".csv", ""))
