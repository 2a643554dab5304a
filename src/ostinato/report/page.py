"""The page of a run: one file that needs nothing else, to be read in any browser."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from ostinato._stages import stage
from ostinato.conclusion import Conclusion, Table
from ostinato.data.files import atomic
from ostinato.report.chart import draw_chart
from ostinato.report.facts import Facts
from ostinato.report.heat import draw_activations
from ostinato.report.markup import data_uri, element, joined, section, tag, text
from ostinato.report.samples import read_samples, show_samples
from ostinato.report.settings import show_making, show_next, show_settings
from ostinato.report.tables import has_confusion, show_confusion, show_table
from ostinato.train import Run
from ostinato.train.report import duration

# Bytes of pictures in a page, before they become text, which takes a third more.
_MOST = 800_000


def write_page(run: Run, facts: Facts) -> Path:
    """Write ``report.html`` of a run, whole or not at all, and give its path."""
    with stage(f"writing {run.report_path.name}"):
        page = make_page(run, facts)
        with run.writing(), atomic(run.report_path, "w") as file:
            file.write(page)
    return run.report_path


def make_page(run: Run, facts: Facts) -> str:
    """The page of a run as HTML: what its directory has, and what is told of it."""
    config = run.read_config() if run.config_path.is_file() else {}
    commands = run.commands()
    run.check_lines()
    found = facts.conclusion or Conclusion({}, [])
    baseline = found.figures.get(f"baseline_{facts.curve[0]}")
    hidden = draw_activations(facts.activations) if facts.activations is not None else ""
    body = "".join(
        (
            _head(run, config, commands, facts),
            _result(found, facts),
            section("Learning", draw_chart(run.metrics(), *facts.curve, facts.best_step, baseline)),
            _pictures(run),
            show_samples(found.shown, read_samples(run.samples_path)),
            show_confusion(found.figures),
            section("Hidden activations", hidden),
            show_settings(config, facts.defaults),
            show_making(commands),
            show_next(facts.go_on),
        )
    )
    return _document(str(run.folder), body, script=_resource("page.js") if hidden else "")


def _document(title: str, body: str, script: str) -> str:
    allowed = b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    scripts = f"sha256-{allowed}" if script else "none"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{scripts}'"
    head = element(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        element("title", text(title)),
        element("style", _resource("page.css")),
    )
    main = element("body", element("main", body), element("script", script) if script else "")
    return f"<!doctype html>\n{element('html', head, main, lang='en')}\n"


def _resource(name: str) -> str:
    return files("ostinato.report").joinpath(name).read_text(encoding="utf-8")


def _head(run: Run, config: Mapping[str, Any], commands: list[dict[str, Any]], facts: Facts) -> str:
    task, source = str(config.get("task", "")), str(config.get("source", ""))
    how_far = f"{facts.step:,} steps in {duration(facts.seconds)}"
    if facts.step < facts.total_steps:
        early = "stopped early" if facts.finished else "stopped"
        how_far = f"{early} at step {facts.step:,} of {facts.total_steps:,}, after " + (
            duration(facts.seconds)
        )
    best = f"best weights of step {facts.best_step:,}" if facts.best_step else ""
    version = f"ostinato {config['ostinato']}" if "ostinato" in config else ""
    made = _day(commands[0]["began"]) if commands else version
    return element(
        "header",
        element("h1", text(run.folder.resolve().name)),
        element("p", text(facts.model.replace(" x ", " \u00d7 ")), class_="model"),
        element("p", text(joined((task and f"task {task}", source))), class_="meta"),
        element("p", text(joined((made, how_far, best))), class_="meta"),
    )


def _day(began: str) -> str:
    moment = datetime.fromisoformat(began)
    return f"{moment.day} {moment:%B %Y}, {moment:%H:%M}"


def _result(found: Conclusion, facts: Facts) -> str:
    """The final figures, or where there are none those of the best validation."""
    parts = list(found.parts)
    if not parts and facts.best_figures:
        figures = (f"{name} {value:.4g}" for name, value in facts.best_figures.items())
        parts = [f"held-out {', '.join(figures)}, so far"]
    if has_confusion(found.figures):  # it has a place of its own
        parts = [part for part in parts if isinstance(part, str) or part.name != "confusion"]
    return "".join(_part(part, first=place == 0) for place, part in enumerate(parts))


def _part(part: str | Table, *, first: bool) -> str:
    if isinstance(part, Table):
        return show_table(part)
    items = (element("li", text(line)) for line in part.splitlines())
    return element("ul", *items, class_="result" if first else "result further")


def _pictures(run: Run) -> str:
    """The pictures that the task has drawn, as long as they fit the page."""
    shown, left_out, total = [], [], 0
    for path in _drawn(run):
        if total + path.stat().st_size > _MOST:
            left_out.append(path.name)
            continue
        content = path.read_bytes()
        total += len(content)
        name = path.stem.replace("_", " ").replace("-", " ")
        picture = tag("img", src=data_uri(content, "image/png"), alt=f"Picture: {name}")
        shown.append(element("figure", picture, element("figcaption", text(name))))
    words = f"Too large for this page, and beside it: {', '.join(left_out)}." if left_out else ""
    note = element("p", text(words), class_="rest") if words else ""
    return section("Pictures", element("div", *shown, class_="pictures") if shown else "", note)


def _drawn(run: Run) -> Iterator[Path]:
    for path in sorted(run.folder.glob("[!.]*.png")):
        if path != run.curves_path:
            yield path
