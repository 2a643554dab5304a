"""The machine and the versions that figures belong to."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch


def describe() -> str:
    """One line, without a date."""
    versions = ", ".join(installed(name) for name in ("torch", "llvmlite", "jax"))
    return (
        f"{versions}, Python {platform.python_version()}; {platform.system()}; "
        f"{processor()}, cores: {os.cpu_count()}, threads: {torch.get_num_threads()}"
    )


def kind() -> str:
    """The kind of CPU as the name of a folder, such as ``intel-xeon-avx512f``."""
    named = re.sub(r"\((R|TM)\)|\bProcessor\b|\bCPU\b|@.*(?= )", " ", processor())
    return "-".join(re.findall(r"[a-z0-9.]+", named.lower()))


def installed(package: str) -> str:
    """A package with its version."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def processor() -> str:
    """The name of the CPU, and the widest vectors that it has."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    found = {key.strip(): value.strip() for key, value in fields.items()}
    flags = found.get("flags", "").split()
    wide = next((name for name in ("avx512f", "avx2") if name in flags), "")
    return " ".join(filter(None, (found.get("model name", platform.machine()), wide)))
