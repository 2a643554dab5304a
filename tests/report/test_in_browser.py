"""The page of a real run in headless Chromium: it is whole, at any width, in light and dark."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import NAMES, Browser, find

from ostinato.cli import main

RUNS = {
    "text": "train text verse.txt --size 8 --embedding 4 --batch-size 4 --bptt 5 --layers 2 "
    "--steps 12 --validate-every 5 --sample-every 4",
    "digits": "train digits --size 8 --steps 12 --validate-every 5 --sample-every 4",
    "series": "train series --size 8 --steps 12 --validate-every 5 --sample-every 4",
}
# Characters that need care, in a text that is soon learnt.
SHALOM = "\u05e9\u05dc\u05d5\u05dd"
VERSE = f'the <cat> sat & sang.\nThe dog {SHALOM} sat\x07 on the log\'s </pre> "end".\n' * 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of each kind."""
    made = tmp_path_factory.mktemp("runs")
    (made / "verse.txt").write_text(VERSE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        for task, command in RUNS.items():
            patch.setattr(sys, "argv", ["ostinato", *command.split(), "--run", task])
            with pytest.raises(SystemExit) as ended:
                main()
            assert not ended.value.code
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find(tmp_path_factory.mktemp("tried"))
    if program is None:
        pytest.skip(f"needs a browser that starts: {', '.join(NAMES)}")
    opened = Browser(program, tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


@pytest.mark.parametrize("task", RUNS)
@pytest.mark.parametrize("width", [400, 1100])
def test_a_page_is_whole(browser: Browser, folder: Path, task: str, width: int) -> None:
    browser.open(folder / task / "report.html", width=width)
    pictures = browser.tell(
        "[...document.images].map(one => [one.alt, one.complete && one.naturalWidth > 0 && "
        "one.getBoundingClientRect().width > 0])"
    )
    assert len(pictures) >= {"text": 2, "digits": 3, "series": 3}[task]
    assert all(alt and loaded for alt, loaded in pictures), pictures
    drawings = browser.tell(
        "[...document.querySelectorAll('svg')].map(one => [one.getAttribute('aria-label'), "
        "one.getBoundingClientRect().width, one.getBoundingClientRect().height])"
    )
    assert len(drawings) == 3
    assert all(name and wide > 200 and high > 40 for name, wide, high in drawings), drawings
    assert browser.tell("document.documentElement.scrollWidth") <= width
    assert browser.tell("document.querySelectorAll('h1').length") == 1
    assert browser.complaints() == []


def test_light_and_dark(browser: Browser, folder: Path) -> None:
    page, seen = folder / "text" / "report.html", {}
    for scheme in ("light", "dark"):
        browser.open(page, scheme=scheme)
        seen[scheme] = browser.tell(
            "['html', '.model', 'path.held-out'].map(one => getComputedStyle(document."
            "querySelector(one))).map((one, n) => [one.backgroundColor, one.color, one.stroke][n])"
        )
    assert all(light != dark for light, dark in zip(seen["light"], seen["dark"], strict=True))
    brightness = {scheme: channel_sum(colours[0]) for scheme, colours in seen.items()}
    assert brightness["light"] > 3 * 230
    assert brightness["dark"] < 3 * 40


def channel_sum(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


def test_text_stands_as_it_is(browser: Browser, folder: Path) -> None:
    browser.open(folder / "text" / "report.html")
    read = browser.tell("document.querySelector('.texts').getAttribute('aria-label')")
    shown = read.removeprefix("reads: ").replace("\u2407", "\x07")
    assert len(shown) == 80
    assert shown.removesuffix("\u220e") in VERSE
    assert browser.tell("document.querySelectorAll('cat').length") == 0


def test_the_number_under_the_pointer(browser: Browser, folder: Path) -> None:
    browser.open(folder / "digits" / "report.html")
    browser.tell("document.querySelector('.row img').scrollIntoView({block: 'center'})")
    left, top = browser.tell(
        "(one => [one.getBoundingClientRect().x + 3, one.getBoundingClientRect().y + 3])"
        "(document.querySelector('.row img'))"
    )
    browser.do("Input.dispatchMouseEvent", type="mouseMoved", x=left, y=top)
    said = browser.tell("document.querySelector('.value').value")
    assert said.startswith("input, unit 1, step 1: ")


def test_without_script_nothing_is_missing(browser: Browser, folder: Path) -> None:
    page = folder / "series" / "report.html"
    browser.do("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        without = browser.tell("document.body.innerText")
    finally:
        browser.do("Emulation.setScriptExecutionDisabled", value=False)
    browser.open(page)
    assert without == browser.tell("document.body.innerText")
    assert "tested from" in without
