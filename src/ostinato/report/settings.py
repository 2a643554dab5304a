"""The settings of a run, those that are not the defaults marked, and how it was made."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ostinato.data.settings import Settings
from ostinato.data.typed import check_type
from ostinato.report.markup import element, section, text
from ostinato.train import TrainSettings
from ostinato.train.optimiser import used_rates

# Values in words.
_WORDS = {"None": "not set", "True": "yes", "False": "no"}


def changes(
    values: Mapping[str, Any], defaults: Settings | None, given: Collection[str] | None = None
) -> dict[str, Any]:
    """The defaults, by name, of those settings that have another value, as the user wanted it.

    ``given`` are the names that the user has written; None where that is not known.
    """
    if defaults is None:
        return {}
    usual = defaults.as_dict()
    return {
        name: usual[name]
        for name in values
        if name in usual and values[name] != usual[name] and (given is None or name in given)
    }


def show_settings(config: Mapping[str, Any], defaults: Mapping[str, Settings]) -> str:
    """A table for each section of a config."""
    given = config.get("given")
    check_type("given", given, list[str] | None)
    sections = {name: v for name, v in config.items() if isinstance(v, Mapping) and v}
    marked = {name: changes(v, defaults.get(name), given) for name, v in sections.items()}
    tables = [_table(name, v, defaults.get(name), marked[name]) for name, v in sections.items()]
    words = "In colour: what was asked for, where it is not the default."
    note = element("p", words, class_="rest") if any(marked.values()) else ""
    return section("Settings", element("div", *tables, class_="settings") if tables else "", note)


def _table(
    name: str, values: Mapping[str, Any], defaults: Settings | None, changed: Mapping[str, Any]
) -> str:
    helps, chosen = _helps(defaults), _chosen(values, defaults)
    rows = [
        element(
            "tr",
            element("th", text(key.replace("_", " ")), scope="row", title=helps.get(key)),
            element(
                "td",
                text(_said(chosen.get(key, value))),
                _usual(changed, key),
                _by(chosen, values, key),
            ),
            class_="changed" if key in changed else None,
        )
        for key, value in values.items()
    ]
    return element("table", element("caption", text(name)), element("tbody", *rows))


def _chosen(values: Mapping[str, Any], defaults: Settings | None) -> dict[str, Any]:
    """What stands for settings that are not set, where the optimiser has them of its own."""
    if not isinstance(defaults, TrainSettings) or "optimiser" not in values:
        return {}
    used = dict(zip(("lr", "weight_decay"), used_rates(defaults.replace(**values)), strict=True))
    return {name: value for name, value in used.items() if values.get(name, 0) is None}


def _by(chosen: Mapping[str, Any], values: Mapping[str, Any], key: str) -> str:
    return element("small", text(f" (of {values['optimiser']})")) if key in chosen else ""


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
    written = [element("pre", text(line), class_="command") for line in typed]
    return section("How it was made", *written, words)


def show_next(go_on: Sequence[tuple[str, str]]) -> str:
    """Commands to go on with."""
    pairs = (
        element("dt", text(what)) + element("dd", element("code", text(command)))
        for what, command in go_on
    )
    return section("How to go on", element("dl", *pairs) if go_on else "")
