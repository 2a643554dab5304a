"""`ostinato train --resume`: exactly as if the run had never stopped."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ostinato.cli import main
from ostinato.train import Run
from same_values import same
from small_model import SMALL, VERSE

# All that a step can depend on: dropout of every kind, an average, shifted columns.
FLAGS = [
    *("train", "text", "verse.txt", *SMALL, "--layers", "2", "--ema", "0.95"),
    *("--dropout", "0.2", "--input-dropout", "0.1", "--weight-drop", "0.1"),
    *("--recurrent-dropout", "0.1", "--steps", "300", "--validate-every", "20"),
    *("--sample-every", "30", "--json"),
]
CLOCK = {"seconds", "tokens_per_second"}


def assert_same_run(a: Path, b: Path) -> None:
    """The same metrics, samples, and checkpoint to the last bit, but for the clock."""
    assert same(Run(a).metrics(), Run(b).metrics(), CLOCK)
    assert (a / "samples.txt").read_text() == (b / "samples.txt").read_text()
    one, other = (Run(run).load_checkpoint() for run in (a, b))
    one.pop("sizes"), other.pop("sizes")
    assert same(one, other, CLOCK)
    assert same(Run(a).read_result(), Run(b).read_result(), CLOCK)


def kill(folder: Path, arguments: list[str], after: int, number: signal.Signals) -> tuple[int, str]:
    """Run the program as a process, send a signal after a step; its code and last words."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from ostinato.cli import main; main()", *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["step"] >= after:
            break
    process.send_signal(number)
    _, error = process.communicate()
    return process.returncode, error


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that is never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "verse.txt").write_text(VERSE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["ostinato", *FLAGS, "--run", "whole"])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    return folder / "whole"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)]
)
def test_a_killed_process_goes_on_bit_for_bit(ostinato, folder, whole, number, code) -> None:
    returned, error = kill(folder, [*FLAGS, "--run", "parts"], 47, number)
    assert returned == code
    step = Run(folder / "parts").load_checkpoint(part="progress")["step"]
    assert 40 <= step < 300
    if number != signal.SIGKILL:
        assert f"stopped at step {step} of 300, and saved" in error
        assert "ostinato train --resume parts" in error
    resumed = ostinato("train", "--resume", "parts", "--json")
    assert resumed.code == 0, resumed.err
    printed = [json.loads(line)["step"] for line in resumed.out.splitlines()]
    assert printed == list(range(step + 1, 301))
    assert_same_run(whole, folder / "parts")


def test_a_damaged_checkpoint_costs_only_what_came_after_the_one_before(
    ostinato, folder, whole
) -> None:
    run = Run(folder / "parts")
    assert ostinato(*FLAGS, "--run", "parts").code == 0
    newest, before = run.checkpoints()
    newest.write_bytes(newest.read_bytes()[:-1000])
    for command in (("train", "--resume"), ("sample",), ("evaluate",)):
        refused = ostinato(*command, "parts")
        assert refused.code == 1
        assert f"{newest.relative_to(folder)}: wanted a checkpoint of ostinato" in refused.err
        assert f"ostinato train --resume {before.relative_to(folder)}" in refused.err
    assert "got a damaged file" in ostinato("info", "parts").out
    assert ostinato("sample", before, "--length", 3).code == 0
    assert ostinato("train", "--resume", before).code == 0
    assert newest.with_suffix(".set-aside").is_file()
    assert_same_run(whole, run.folder)


@pytest.mark.parametrize("flags", ["--output nce", "--output adaptive", "--direction both"])
def test_every_kind_of_model_goes_on_bit_for_bit(ostinato, folder, flags: str) -> None:
    more = ("--steps", 16, "--validate-every", 8, "--sample-every", 5)
    for name in ("whole", "parts"):
        call = ("train", "text", "verse.txt", *SMALL, *more, *flags.split(), "--run", name)
        assert ostinato(*call).code == 0
    _, before = Run(folder / "parts").checkpoints()
    assert ostinato("train", "--resume", before).code == 0
    assert_same_run(folder / "whole", folder / "parts")


def test_more_steps(ostinato, trained) -> None:
    done = ostinato("train", "--resume", trained, "--steps", 15)
    assert done.code == 0
    assert [record["step"] for record in Run(trained).metrics()] == list(range(1, 16))
    assert Run(trained).read_config()["train"]["steps"] == 15
    assert "trained 15 steps" in done.out


def test_a_finished_run_is_only_measured_again(ostinato, trained) -> None:
    before = Run(trained).load_checkpoint()
    assert ostinato("train", "--resume", trained).code == 0
    assert same(before, Run(trained).load_checkpoint(), CLOCK)


def test_a_run_and_a_task_contradict_each_other(ostinato, trained) -> None:
    done = ostinato("train", "--resume", trained, "text")
    assert done.code == 1
    assert "--resume: wanted a run to go on with, or a task to begin" in done.err


def test_flags_that_need_resume(ostinato, folder) -> None:
    for flags in (("--steps", 5), ("--json",)):
        done = ostinato("train", *flags)
        assert done.code == 1
        assert "--resume: wanted the run to go on with" in done.err
        done = ostinato("train", *flags, "text", "verse.txt")
        assert done.code == 1
        assert f"after text: ostinato train text {flags[0]}" in done.err


def test_a_run_of_another_kind_is_refused(ostinato, trained) -> None:
    run = Run(trained)
    config = run.read_config()
    run.write_config({**config, "task": "chess"})
    assert "wanted a task of text, bidirectional, adding" in (said := ostinato("info", trained).err)
    assert "got the task 'chess'" in said
    run.write_config({**config, "model": {**config["model"], "colour": 1}})
    assert "wanted a setting of ModelSettings" in ostinato("train", "--resume", trained).err
    run.write_config({name: value for name, value in config.items() if name != "train"})
    assert "wanted a section 'train'" in ostinato("train", "--resume", trained).err
