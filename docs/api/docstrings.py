"""What the API reference needs of the source beyond what Griffe reads there."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Reads ``::`` as it is meant, and finds functions in files of the same name."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Leave one colon of the ``::`` that leads into code, as Markdown prints both."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"::$", ":", obj.docstring.value, flags=re.MULTILINE)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Let ``sequence.unroll`` be the function of ``sequence/unroll.py``, as in Python.

        Griffe takes it for the file. What leads through the file is resolved before the change.
        """
        hidden = {
            f"{module.path}.{name}": (module, name)
            for module in modules(pkg)
            for name, source in module.imports.items()
            if source == f"{module.path}.{name}.{name}"
        }
        through = tuple(f"{path}." for path in hidden)
        for module in modules(pkg):
            for member in module.members.values():
                if member.is_alias and member.target_path.startswith(through):
                    with suppress(griffe.AliasResolutionError):  # names that Griffe does not see
                        member.resolve_target()
        for module, name in hidden.values():
            module.members[name] = module.members[name].members[name]


def modules(module: griffe.Module) -> Iterator[griffe.Module]:
    """The module and all below it. To ask an alias for its kind would resolve it, too early."""
    yield module
    for member in module.members.values():
        if isinstance(member, griffe.Module):
            yield from modules(member)
