"""`ostinato compare TASK`: a figure, a table, and a run for each training."""

import json

from ostinato.train import Run

TINY = ["--num-train", "60", "--num-held-out", "20", "--batch-size", "10", "--steps", "6"]


def test_cells_side_by_side(ostinato, folder) -> None:
    flags = ("--cells", "elman@3,gru", "--size", 4, "--seeds", 2, "--seed", 5)
    done = ostinato("compare", "adding", *TINY, *flags, "--validate-every", 2)
    assert done.code == 0, done.err
    place = folder / "runs" / "compare-adding-001"
    runs = {"elman-3-5", "elman-3-6", "gru-5", "gru-6"}
    assert {path.name for path in place.iterdir()} == runs | {"compare.json", "compare.png"}
    assert (place / "compare.png").read_bytes()[:4] == b"\x89PNG"
    found = json.loads((place / "compare.json").read_text())
    assert [(each["cell"], each["seed"]) for each in found["trained"]] == [
        ("elman@3", 5),
        ("elman@3", 6),
        ("gru", 5),
        ("gru", 6),
    ]
    first = found["trained"][0]
    assert first["parameters"] == 3 * (2 + 3 + 2) + 4
    assert first["steps"] == [2, 4, 6]
    metrics = Run.open(place / "elman-3-5").metrics()
    assert first["values"] == [r["held_out_loss"] for r in metrics if "held_out_loss" in r]
    page = (place / "gru-6" / "report.html").read_text(encoding="utf-8")
    assert "ostinato compare adding" in page
    # same data for all, other weights for each seed
    assert len({each["values"][0] for each in found["trained"]}) == 4
    configs = [Run.open(place / name).read_config() for name in sorted(runs)]
    assert all(config["data"] == configs[0]["data"] for config in configs)
    assert f"{found['baseline']['loss']:.4f}" in done.out
    for said in ("elman@3", "gru", "always the same", "compare.png"):
        assert said in done.out


def test_json_and_accuracy(ostinato, folder) -> None:
    flags = ("--cells", "gru", "--seeds", 1, "--steps", 3, "--size", 4, "--run", "mine")
    done = ostinato("compare", "digits", *flags, "--json")
    found = json.loads(done.out)
    assert found == json.loads((folder / "mine" / "compare.json").read_text())
    assert "accuracy" in found["trained"][0]["figures"]
    again = ostinato("compare", "digits", *flags)
    assert again.code == 1
    assert "mine, which exists" in again.err


def test_a_training_that_diverges_is_left_out(ostinato, folder) -> None:
    (folder / "cells_that_diverge.py").write_text(
        "from ostinato.cells import GRU\n"
        "class Wild(GRU):\n"
        "    def __init__(self, inputs, size):\n"
        "        super().__init__(inputs, size)\n"
        "        self.bias_hh.data.fill_(float('nan'))\n"
    )
    flags = ("--cells", "cells_that_diverge:Wild,gru", "--size", 4, "--seeds", 1, "--run", "mine")
    done = ostinato("compare", "adding", *TINY, *flags)
    assert done.code == 0, done.err
    found = json.loads((folder / "mine" / "compare.json").read_text())
    assert found["diverged"] == [{"cell": "cells_that_diverge:Wild", "seed": 0}]
    assert [each["cell"] for each in found["trained"]] == ["gru"]
    assert "is left out: layers.0.cell.bias_hh: wanted finite numbers" in done.err
    assert "seed 0 diverged" in done.out


def test_help_names_cells_not_cell(ostinato) -> None:
    said = ostinato("compare", "toy", "--help").out
    assert "--cells" in said
    assert "│ --cell " not in said
