"""The settings of a run, those that are not the defaults marked, and how it was made."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ostinato.data.settings import Settings
from ostinato.report.markup import element, lines, section, text

# Values in words.
_WORDS = {"None": "not set", "True": "yes", "False": "no"}


def changes(values: Mapping[str, Any], defaults: Settings | None) -> dict[str, Any]:
    """The defaults, by name, of those settings that have another value."""
    if defaults is None:
        return {}
    usual = defaults.as_dict()
    return {name: usual[name] for name in values if name in usual and values[name] != usual[name]}


def show_settings(config: Mapping[str, Any], defaults: Mapping[str, Settings]) -> str:
    """A table for each section of a config."""
    tables = [
        _table(name, values, defaults.get(name))
        for name, values in config.items()
        if isinstance(values, Mapping) and values
    ]
    marked = any(
        changes(values, defaults.get(name))
        for name, values in config.items()
        if isinstance(values, Mapping)
    )
    note = element("p", "In colour: what is not the default.", class_="rest") if marked else ""
    return section("Settings", element("div", *tables, class_="settings") if tables else "", note)


def _table(name: str, values: Mapping[str, Any], defaults: Settings | None) -> str:
    changed, helps = changes(values, defaults), _helps(defaults)
    rows = [
        element(
            "tr",
            element("th", text(key.replace("_", " ")), scope="row", title=helps.get(key)),
            element("td", text(_said(value)), _usual(changed, key)),
            class_="changed" if key in changed else None,
        )
        for key, value in values.items()
    ]
    return element("table", element("caption", text(name)), element("tbody", *rows))


def _helps(defaults: Settings | None) -> dict[str, str]:
    fields = () if defaults is None else dataclasses.fields(defaults)
    return {field.name: field.metadata["help"] for field in fields}


def _usual(changed: Mapping[str, Any], key: str) -> str:
    # None stands for what is chosen by the data or by other settings: no number to compare with
    if changed.get(key) is None:
        return ""
    return element("small", text(f" (default {_said(changed[key])})"))


def _said(value: object) -> str:
    words = f"{value:g}" if isinstance(value, float) else str(value)
    return _WORDS.get(words, words)


def show_making(commands: Sequence[Mapping[str, Any]]) -> str:
    """The commands that made the run, and with which versions; nothing for an old run."""
    if not commands:
        return ""
    typed = [f"ostinato {shlex.join(each['arguments'])}" for each in commands]
    typed = [line for place, line in enumerate(typed) if line not in typed[:place]]
    last = commands[-1]
    made = (
        f"ostinato {last['ostinato']}, torch {last['torch']}, Python {last['python']}, "
        f"{last['system']}"
    )
    count, threads = last["processes"], last["threads"]
    together = "" if count == 1 else f", {count} processes"
    with_threads = f"{threads} thread{'s' if threads > 1 else ''}{together}"
    words = element("p", text(f"{made}; {with_threads}."), class_="rest")
    return section("How it was made", lines("\n".join(typed)), words)


def show_next(go_on: Sequence[tuple[str, str]]) -> str:
    """Commands to go on with."""
    pairs = (
        element("dt", text(what)) + element("dd", element("code", text(command)))
        for what, command in go_on
    )
    return section("How to go on", element("dl", *pairs) if go_on else "")
