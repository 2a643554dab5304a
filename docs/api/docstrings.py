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

        Griffe takes it for the file.
        """
        hidden = {
            f"{module.path}.{name}": (module, name)
            for module in modules(pkg)
            for name, source in module.imports.items()
            if source == f"{module.path}.{name}.{name}"
        }
        for alias in aliases(pkg):
            if alias.target_path.rpartition(".")[0] in hidden:  # leads through the file
                with suppress(griffe.AliasResolutionError):  # names that Griffe does not see
                    alias.resolve_target()
        for module, name in hidden.values():
            module.members[name] = module.members[name].members[name]
        for alias in aliases(pkg):
            if alias.target_path in hidden:  # has been resolved to the file
                alias.parent.members[alias.name] = griffe.Alias(
                    alias.name, alias.target_path, parent=alias.parent
                )


def modules(module: griffe.Module) -> Iterator[griffe.Module]:
    """The module and all below it."""
    yield module
    for member in module.members.values():
        if isinstance(member, griffe.Module):
            yield from modules(member)


def aliases(pkg: griffe.Module) -> list[griffe.Alias]:
    """What the modules of the package import."""
    members = [member for module in modules(pkg) for member in module.members.values()]
    return [member for member in members if isinstance(member, griffe.Alias)]
