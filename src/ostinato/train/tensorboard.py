"""The records of a training as files for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import Any, final

from ostinato.data.requirements import require
from ostinato.train.report import Record, Silent

_HELD_OUT = "held_out_"


@final
class TensorBoard(Silent):
    """Writes every figure of every record to a folder: ``tensorboard --logdir runs`` shows them.

    A figure and its held-out value share a chart: ``training/loss`` and ``held_out/loss``. Going
    on with a run takes the place of what was written after its checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        require("tensorboard", "tensorboard")
        self._folder = folder
        self._writer: Any = None

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def steps(self, records: list[Record]) -> None:
        """Write their figures."""
        writer = self._open(records[0]["step"])
        for record in records:
            for name, value in record.items():
                if name != "step":
                    writer.add_scalar(_tag(name), value, record["step"])

    def sample(self, step: int, text: str) -> None:
        """Write the sample, as it is."""
        indented = "\n".join(f"    {line}" for line in text.splitlines())  # code in Markdown
        self._open(step).add_text("sample", indented, step)

    def _open(self, step: int) -> Any:
        if self._writer is None:
            writer = require("torch.utils.tensorboard", "tensorboard").SummaryWriter
            self._writer = writer(self._folder, purge_step=step)
        return self._writer


def _tag(name: str) -> str:
    held_out = name.startswith(_HELD_OUT)
    return f"held_out/{name.removeprefix(_HELD_OUT)}" if held_out else f"training/{name}"
