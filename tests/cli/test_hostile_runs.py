"""Runs of others on the command line: no code, no foreign files, no control characters."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ostinato as library
from ostinato.train import CodeError, Run
from small_model import SMALL

EVIL = "open('mark', 'w').close()\nfrom ostinato.cells import GRU as Cell\n"
COMMANDS = (
    ("info", "{run}"),
    ("sample", "{run}"),
    ("evaluate", "{run}"),
    ("report", "{run}"),
    ("explain", "{run}"),
    ("draw", "{run}", "-o", "picture.svg"),
    ("export", "{run}", "--to", "model.onnx"),
    ("train", "--resume", "{run}"),
    ("train", "text", "verse.txt", "--from", "{run}"),
)


def called(ostinato, command: tuple[str, ...], run: Path, *more: str):
    return ostinato(*(str(run) if word == "{run}" else word for word in command), *more)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_opening_a_run_runs_no_code_of_it(ostinato, trained, folder, command) -> None:
    (trained / "evil.py").write_text(EVIL)
    config = json.loads((trained / "config.json").read_text())
    config["model"]["cell"] = "runs.text-001.evil:Cell"
    (trained / "config.json").write_text(json.dumps(config))
    for more in ((), ("--allow-code",)):
        done = called(ostinato, command, trained, *more)
        assert done.code == 1
        assert done.err.startswith("error: cell of ")
        assert "'runs.text-001.evil:Cell'" in done.err
    assert not (folder / "mark").exists()


def test_a_cell_of_the_user_is_opened_when_it_is_allowed(ostinato, folder, monkeypatch) -> None:
    (folder / "my_cells.py").write_text(EVIL)
    flags = (*SMALL, "--steps", 2, "--cell", "my_cells:Cell")
    done = ostinato("train", "text", "verse.txt", *flags, "--run", "mine")
    assert done.code == 0, done.err
    assert "ostinato sample mine --allow-code" in done.out
    # whoever opens it later has not typed the name
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", str(folder))])
    sys.modules.pop("my_cells")
    (folder / "mark").unlink()
    refused = ostinato("sample", "mine")
    assert refused.code == 1
    assert "If you trust it, allow it: --allow-code" in refused.err
    elsewhere = ostinato("sample", "mine", "--allow-code")
    assert elsewhere.code == 1, "the working directory is not on the path"
    assert not (folder / "mark").exists()
    monkeypatch.syspath_prepend(str(folder))
    assert ostinato("sample", "mine", "--allow-code", "--length", 5).code == 0
    assert ostinato("sample", "mine").code == 1, "it is allowed once"


def test_a_training_from_a_cell_of_the_user(ostinato, folder, monkeypatch) -> None:
    (folder / "cells_of_another.py").write_text(EVIL)
    flags = (*SMALL, "--steps", 2, "--cell", "cells_of_another:Cell", "--run", "mine")
    assert ostinato("train", "text", "verse.txt", *flags).code == 0
    monkeypatch.setattr(sys, "path", [each for each in sys.path if each not in ("", str(folder))])
    sys.modules.pop("cells_of_another")
    (folder / "mark").unlink()
    begun = ("train", "text", "verse.txt", "--from", "mine", "--steps", 2)
    assert "If you trust it, allow it: --allow-code" in ostinato(*begun).err
    assert "no module cells_of_another" in ostinato(*begun, "--allow-code").err
    with pytest.raises(CodeError, match="allow_code=True"):
        library.load("mine")
    assert not (folder / "mark").exists()
    assert str(folder) not in sys.path
    monkeypatch.syspath_prepend(str(folder))
    assert ostinato(*begun, "--allow-code").code == 0
    assert (folder / "mark").exists()
    assert library.load("mine", allow_code=True).settings["train"].steps == 2  # type: ignore


@pytest.mark.parametrize("place", [("--allow-code", "text"), ("text", "--allow-code")])
def test_leave_without_a_run_is_refused(ostinato, folder, place) -> None:
    done = ostinato("train", *place)
    assert done.code == 1
    assert "--allow-code without" in done.err


@pytest.mark.parametrize("name", ["lock", "metrics.jsonl", "samples.txt", "commands.jsonl", "new"])
def test_a_run_with_a_link_is_refused(ostinato, trained, folder, name) -> None:
    outside = folder / "outside.txt"
    outside.write_text("mine")
    (trained / name).unlink(missing_ok=True)
    (trained / name).symlink_to(outside)
    for command in COMMANDS:
        done = called(ostinato, command, trained)
        assert done.code == 1
        assert f"{name}: wanted a file of its own" in done.err
    assert outside.read_text() == "mine"


def test_a_run_may_be_reached_by_a_link(ostinato, trained, folder) -> None:
    (folder / "latest").symlink_to(trained)
    assert ostinato("info", "latest").code == 0


def test_control_characters_are_shown_and_not_sent(ostinato, folder) -> None:
    (folder / "odd.txt").write_text("a\x1b[2Jb\x07c\u202ed " * 60)
    run = folder / "my \x1b[31mrun"
    done = ostinato("train", "text", "odd.txt", *SMALL, "--steps", 2, "--run", run)
    assert done.code == 0, done.err
    said = [done, ostinato("sample", run, "--prompt", "a\x1b[2J", "--length", 80, "--seed", 1)]
    said += [ostinato("info", run), ostinato("evaluate", run), ostinato("info", f"{run}x")]
    for each in said:
        assert not set(each.out + each.err) & {"\x1b", "\x07", "\u202e", "\r"}
    assert "\u241b[2J" in said[1].out
    page = (run / "report.html").read_text()
    assert "\u202e" not in page
    assert "[U+202E]" in page


def test_paths_in_hints_can_be_pasted(ostinato, folder) -> None:
    done = ostinato("train", "text", "verse.txt", *SMALL, "--steps", 2, "--run", "it's my run")
    assert done.code == 0, done.err
    (hint,) = [line for line in done.out.splitlines() if line.startswith("  ostinato sample")]
    words = subprocess.run(["sh", "-c", f"printf '%s\\n' {hint}"], capture_output=True, text=True)
    assert words.stdout.split("\n")[:3] == ["ostinato", "sample", "it's my run"]


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        ("model", "layers", True, "model.layers is True, was 1"),
        ("train", "lr", "x", "train.lr is 'x', was 0.006"),
        ("train", "lr", 0.5, "train.lr is 0.5, was 0.006"),
    ],
)
def test_an_edited_setting_is_named(ostinato, trained, section, name, value, message) -> None:
    config = json.loads((trained / "config.json").read_text())
    config[section][name] = value
    (trained / "config.json").write_text(json.dumps(config))
    done = ostinato("train", "--resume", trained)
    assert done.code == 1
    assert message in done.err


@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        ("model", "layers", True, "layers: wanted a whole number, got True"),
        ("model", "size", "9", "size: wanted a whole number, got '9'"),
        ("model", "cell", ["lstm"], "cell: wanted text, got ['lstm']"),
        ("model", "tied", 1, "tied: wanted true or false, got 1"),
        ("train", "lr", "x", "lr: wanted a number or nothing, got 'x'"),
        ("train", "threads", 10**6, "threads: wanted a number of at most 1,024"),
        ("train", "steps", 1.5, "steps: wanted a whole number or nothing, got 1.5"),
        (
            "train",
            "seed",
            2**64,
            "seed: wanted a number of at least 0 and at most 9223372036854775807",
        ),
        ("columns", "bptt", None, "bptt: wanted a whole number, got None"),
    ],
)
def test_settings_have_types(ostinato, trained, section, name, value, message) -> None:
    run = Run(trained)
    config = run.read_config()
    config[section][name] = value
    run.write_config(config)
    for command in ("info", "report"):
        done = ostinato(command, trained)
        assert done.code == 1
        assert f"config.json: {message}" in done.err


def test_the_lock_comes_before_any_change(ostinato, trained) -> None:
    before = (trained / "config.json").read_bytes()
    with Run(trained).claimed():
        done = ostinato("train", "--resume", trained, "--steps", 99)
    assert done.code == 1
    assert "which another process is training" in done.err
    assert (trained / "config.json").read_bytes() == before


def test_more_steps_of_a_damaged_checkpoint_change_nothing(ostinato, trained) -> None:
    before = (trained / "config.json").read_bytes()
    for path in Run(trained).checkpoints():
        path.write_bytes(b"x" * 99)
    assert ostinato("train", "--resume", trained, "--steps", 99).code == 1
    assert (trained / "config.json").read_bytes() == before


def test_half_written_files_of_a_killed_process_are_swept(ostinato, trained) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f".step-00000012.safetensors.{dead.pid}.partial", f".x.{os.getpid()}.partial"]
    for name in names:
        (trained / "checkpoints" / name).write_text("half")
    assert ostinato("train", "--resume", trained).code == 0
    left = [path.name for path in (trained / "checkpoints").glob(".*")]
    assert left == names[1:], "that of a living process may be written at this moment"


def test_damaged_lines_are_named_and_the_others_used(ostinato, trained) -> None:
    for name in ("metrics.jsonl", "commands.jsonl"):
        path = trained / name
        path.write_bytes(b'{"step": "x"}\n' + path.read_bytes())
    done = ostinato("report", trained)
    assert done.code == 0
    for name in ("metrics.jsonl", "commands.jsonl"):
        assert f"{name}: line 1 is damaged, and left out" in done.err


def test_the_process_does_not_look_for_garbage_at_its_end(folder: Path) -> None:
    code = "import atexit, gc, sys\natexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
    code += "from ostinato.cli import main\nsys.argv = ['ostinato', '--version']\nmain()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "True", done.stderr
