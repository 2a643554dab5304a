"""Run directories: always a new one, never another's."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ostinato.train import CheckpointError, Run, RunError


def test_the_next_free_number(tmp_path: Path) -> None:
    (tmp_path / "text-002").mkdir()
    (tmp_path / "text-002" / "mine").write_text("kept")
    names = [Run.create("text", root=tmp_path).folder.name for _ in range(3)]
    assert names == ["text-001", "text-003", "text-004"]
    assert Run.create("series", root=tmp_path).folder.name == "series-001"
    assert (tmp_path / "text-002" / "mine").read_text() == "kept"


def test_runs_that_start_at_once_get_different_numbers(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: Run.create("text", root=tmp_path).folder, range(24)))
    assert len(set(runs)) == 24


def test_a_named_directory_that_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(RunError, match="wanted the name of a new directory") as error:
        Run.create("text", tmp_path / "run")
    assert "--resume" not in str(error.value)
    Run(tmp_path / "run").write_config({})
    with pytest.raises(RunError, match="ostinato train --resume"):
        Run.create("text", tmp_path / "run")


def test_open_finds_the_run_of_a_checkpoint(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    run.write_config({"task": "text"})
    path = run.save_checkpoint(3, {})
    assert Run.open(path).folder == run.folder
    assert Run.open(run.folder).read_config() == {"task": "text"}


def test_open_suggests_the_near_name(tmp_path: Path) -> None:
    Run.create("text", tmp_path / "text-001").write_config({})
    with pytest.raises(RunError, match=r"does not exist\. Did you mean .*text-001"):
        Run.open(tmp_path / "text-01")
    with pytest.raises(RunError, match=r"which has no config\.json"):
        Run.open(tmp_path)


def test_open_suggests_the_near_checkpoint(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    run.write_config({})
    kept = run.save_checkpoint(3, {})
    with pytest.raises(RunError, match=r"does not exist\. Did you mean .*step-00000003"):
        Run.open(kept.with_name("step-00000004.safetensors"))


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    for content in ("{", "[]"):
        run.config_path.write_text(content)
        with pytest.raises(RunError, match=r"config\.json: wanted a JSON"):
            run.read_config()


def test_the_newest_two_checkpoints_are_kept(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    with pytest.raises(CheckpointError, match="start it again"):
        run.load_checkpoint()
    for step in (0, 5, 10, 1000):
        run.save_checkpoint(step, {"step": step})
    assert [path.name for path in run.checkpoints()] == [
        "step-00001000.safetensors",
        "step-00000010.safetensors",
    ]
    assert run.load_checkpoint() == {"step": 1000}


def test_newer_checkpoints_are_set_aside(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    old, new = run.save_checkpoint(1, {}), run.save_checkpoint(2, {})
    run.set_aside_after(old)
    assert run.checkpoints() == [old]
    assert new.with_suffix(".set-aside").is_file()


def test_lines_after_a_checkpoint_are_forgotten(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    run.append(run.metrics_path, ['{"step": 1}\n'])
    sizes = run.sizes()
    run.append(run.metrics_path, ['{"step": 2}\n', '{"ste'])
    run.append(run.samples_path, ["a sample\n"])
    run.cut_back(sizes)
    assert run.metrics() == [{"step": 1}]
    assert run.samples_path.read_text() == ""


def test_one_process_at_a_time(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    with run.claimed():
        with pytest.raises(RunError, match="which another process is training"):
            with run.claimed():
                pass
    with run.claimed():
        pass


def test_a_run_that_could_not_begin_is_discarded(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    run.discard()
    assert list(tmp_path.iterdir()) == []
    begun = Run.create("text", tmp_path / "run")
    begun.save_checkpoint(0, {})
    with pytest.raises(AssertionError):
        begun.discard()


def test_a_line_that_is_not_whole_is_not_read(tmp_path: Path) -> None:
    run = Run.create("text", tmp_path / "run")
    run.append(run.metrics_path, ['{"step": 1}\n', '{"step": 2}\n', '{"ste'])
    assert run.metrics() == [{"step": 1}, {"step": 2}]
    assert run.commands() == []
