"""Small real data that comes with ostinato; README.md beside this file tells sources and licences.

`digits` are handwritten digits, `carbon_dioxide` a monthly series.
"""

from __future__ import annotations

from pathlib import Path

from ostinato.data.images import Images, ImageSettings, read_mnist
from ostinato.data.series import Series
from ostinato.data.series_tables import read_series

FOLDER = Path(__file__).parent


def digits(settings: ImageSettings | None = None) -> Images:
    """1797 handwritten digits of 8 x 8 pixels, 0 to 16; 360 of them, drawn once, are held out.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998 (its test set), licence CC BY 4.0.
    """
    return read_mnist(FOLDER / "digits", settings)


def carbon_dioxide() -> Series:
    """Carbon dioxide at Mauna Loa by months, 1958-03 to 2001-12, in parts per million by volume.

    Column "co2"; each value is the mean of the weekly ones that begin in the month, and months
    without any are missing. Source: Keeling and Whorf, "Atmospheric CO2 concentrations derived
    from flask air samples at sites in the SIO network", 2004; public domain.
    """
    return read_series(FOLDER / "co2.csv")
