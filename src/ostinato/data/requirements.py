"""Optional packages, imported on first use."""

from __future__ import annotations

import importlib
from types import ModuleType

from ostinato.errors import OstinatoError


class MissingPackage(OstinatoError, ImportError):
    """An optional package that is not installed."""


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module, such as ``"safetensors.torch"``.

    Raises MissingPackage, which names the extra of ostinato that brings it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        # A module that is missing inside an installed package is that package's own fault.
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        raise MissingPackage(
            package,
            wanted="an installed package",
            got="none",
            remedy=f"Install it with: pip install 'ostinato[{extra}]'",
        ) from error
