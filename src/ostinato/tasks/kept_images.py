"""Images of the user that a run learns from: kept in it, as what lies elsewhere may change."""

from __future__ import annotations

import shutil
from pathlib import Path

from ostinato.data import Images, ImageSettings, bundled, read_mnist
from ostinato.data.images import mnist_files


def kept_images(settings: ImageSettings, source: Path | None, folder: Path) -> Images:
    """The digits of the package, or MNIST from a folder with its four files.

    The files are kept in ``folder``, the run's, where later calls find them.
    """
    kept = folder / "data"
    if source is not None and not kept.is_dir():
        images = read_mnist(source, settings)
        kept.mkdir()
        for path in mnist_files(source):
            shutil.copyfile(path, kept / path.name)
        return images
    return read_mnist(kept, settings) if kept.is_dir() else bundled.digits(settings)
