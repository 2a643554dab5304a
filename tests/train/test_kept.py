"""A run's settings and data are what they were, or the change is named."""

import json
from pathlib import Path

import pytest

from ostinato.train import Run, RunError
from ostinato.train.kept import checksum_of, differences, is_sealed, seal

CONFIG = {"task": "text", "train": {"lr": 0.1, "steps": 3}, "model": {"cell": "gru"}}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that has kept a file, with a checkpoint."""
    made = Run.create("text", tmp_path / "run")
    (made.make_folder("corpus") / "tokens.npy").write_bytes(b"0123456789" * 1000)
    made.write_config(CONFIG)
    made.save_checkpoint(1, {"step": 1})
    return Run.open(made.folder)


def edited(run: Run, change) -> None:
    config = json.loads(run.config_path.read_text())
    change(config)
    run.config_path.write_text(json.dumps(config))


def test_a_run_that_nobody_touched_is_opened(run: Run) -> None:
    assert run.read_config() == CONFIG
    assert Run(run.folder).load_checkpoint() == {"step": 1, "config": CONFIG}
    stored = json.loads(run.config_path.read_text())
    assert stored["kept"] == {"corpus/tokens.npy": checksum_of(run.folder / "corpus/tokens.npy")}


def test_a_changed_setting_is_named_with_what_it_was(run: Run) -> None:
    edited(run, lambda config: config["train"].update(lr=0.5))
    with pytest.raises(RunError) as error:
        run.read_config()
    assert "train.lr is 0.5, was 0.1" in str(error.value)
    assert 'delete "checksum"' in str(error.value)
    edited(run, lambda config: config.pop("checksum"))
    assert Run(run.folder).read_config()["train"]["lr"] == 0.5


def test_white_space_is_no_change(run: Run) -> None:
    run.config_path.write_text(json.dumps(json.loads(run.config_path.read_text()), indent=9))
    assert run.read_config() == CONFIG


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_data_that_is_not_what_it_was_is_named(run: Run, damage: str) -> None:
    path = run.folder / "corpus" / "tokens.npy"
    if damage == "gone":
        path.unlink()
    else:
        data = path.read_bytes()
        path.write_bytes(data[:-1] if damage == "cut" else data[:-1] + b"x")
    with pytest.raises(RunError, match=r"tokens\.npy: wanted the file that the run was begun with"):
        run.read_config()


def test_what_is_written_later_is_not_kept(run: Run) -> None:
    for name in ("metrics.jsonl", "samples.txt", "report.html", "curves.png", "my notes.txt"):
        (run.folder / name).write_text("x")
    run.write_config({**CONFIG, "task": "series"})
    assert list(json.loads(run.config_path.read_text())["kept"]) == ["corpus/tokens.npy"]
    assert Run(run.folder).read_config()["task"] == "series"


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "corpus/../../outside"])
def test_a_path_that_leaves_the_run_is_refused(run: Run, name: str) -> None:
    def change(config) -> None:
        config["kept"] = {name: 1}
        config.pop("checksum")

    edited(run, change)
    with pytest.raises(RunError, match="wanted paths in the run"):
        run.read_config()


def test_a_changed_result_is_named(run: Run) -> None:
    run.write_result({"loss": 1.5})
    run = Run.open(run.folder)
    assert run.read_result() == {"loss": 1.5}
    whole = run.result_path.read_text()
    for damaged in (whole.replace("1.5", "1.4"), whole.replace("checksum", "chocksum")):
        run.result_path.write_text(damaged)
        with pytest.raises(RunError, match="wanted the figures that training ended with"):
            run.read_result()


def test_seals() -> None:
    values = seal({"a": 1, "b": [1.5, None]})
    assert is_sealed(values)
    assert values == {"a": 1, "b": [1.5, None]}
    assert is_sealed({"a": 1}), "there is nothing to compare with"
    assert not is_sealed({**seal({"a": 1}), "a": 2})


def test_differences() -> None:
    old = {"a": {"b": 1, "c": True}, "d": [1], "e": 1}
    new = {"a": {"b": 1, "c": 1}, "d": [2], "f": None}
    assert differences(old, new) == [
        "a.c is 1, was True",
        "d is [2], was [1]",
        "e is missing",
        "f is new",
    ]
    assert differences(old, old) == []
