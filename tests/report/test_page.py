"""The page of a run's directory, whatever is in it."""

import json
from pathlib import Path

import pytest
import torch

from ostinato.conclusion import Conclusion, Table
from ostinato.report import Activations, Facts, make_page, write_page
from ostinato.report.samples import read_samples
from ostinato.report.settings import changes
from ostinato.tasks.supervised import tell_confusion
from ostinato.train import Run, TrainSettings

FACTS = Facts("gru 1 x 8, 99 parameters", ("loss", "nats"), step=4, total_steps=4, seconds=65)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that has written nothing but its config."""
    made = Run.create("adding", tmp_path / "adding-<1>")
    made.write_config({"ostinato": "0.1.0", "task": "adding", "train": {"epochs": 3, "lr": None}})
    return made


def test_an_empty_run_has_a_page(run: Run) -> None:
    page = make_page(run, FACTS)
    assert page.startswith("<!doctype html>\n<html")
    assert "<h1>adding-&lt;1&gt;</h1>" in page
    assert "gru 1 \u00d7 8, 99 parameters" in page
    assert "4 steps in 1m05s" in page
    assert "Settings" in page
    for name in ("Learning", "Pictures", "What it says", "Hidden", "How it was made", "<script"):
        assert name not in page


def test_a_run_that_was_stopped_before_and_after_a_validation(run: Run) -> None:
    run.append(run.metrics_path, [json.dumps({"step": 1, "loss": 2.0, "lr": 0.1}) + "\n"])
    stopped = Facts("gru", ("loss", "nats"), step=1, total_steps=4, seconds=1, finished=False)
    page = make_page(run, stopped)
    assert "stopped at step 1 of 4, after 1s" in page
    assert "held-out" not in page.split("</style>")[1]
    later = Facts("gru", ("loss", "nats"), 3, 4, 1, 2, {"loss": 1.5}, finished=False)
    assert "held-out loss 1.5, so far" in make_page(run, later)
    found = Conclusion({"loss": 1.5}, ["held-out loss 1.5"])
    early = Facts("gru", ("loss", "nats"), 3, 4, 1, 2, {"loss": 1.5}, conclusion=found)
    page = make_page(run, early)
    assert "stopped early at step 3 of 4" in page
    assert "so far" not in page


def test_the_page_appears_whole(run: Run) -> None:
    assert write_page(run, FACTS) == run.report_path
    assert run.report_path.read_text(encoding="utf-8") == make_page(run, FACTS)
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "checkpoints",
        "config.json",
        "report.html",
    ]


def test_nothing_is_read_from_elsewhere(run: Run) -> None:
    (run.folder / "map.png").write_bytes(b"\x89PNG")
    facts = Facts(*vars(FACTS).values())
    page = make_page(run, facts)
    assert "default-src 'none'; img-src data:" in page.replace("&#x27;", "'")
    assert "http:" not in page
    assert "https:" not in page
    assert 'src="data:image/png;base64,' in page
    assert "<figcaption>map</figcaption>" in page


def test_pictures_that_are_too_many_are_named(run: Run) -> None:
    for name in ("a.png", "b.png", "curves.png", ".hidden.png"):
        (run.folder / name).write_bytes(bytes(500_000))
    page = make_page(run, FACTS)
    assert page.count("data:image/png") == 1
    assert "beside it: b.png" in page
    assert len(page) < 1_500_000


def test_samples_are_read_back(run: Run) -> None:
    texts = ["first\n\n\nline", "", "----- step x -----\nsecond </pre>"]
    for number, said in enumerate(texts, 1):
        run.append(run.samples_path, [f"----- step {number} -----\n{said}\n\n"])
    assert read_samples(run.samples_path) == list(enumerate(texts, 1))
    page = make_page(run, FACTS)
    assert "at step 3" in page.split("<details>")[0]
    assert "second &lt;/pre&gt;" in page
    assert "first" in page.split("<details>")[1]


def test_a_sample_of_the_final_weights_is_not_repeated(run: Run) -> None:
    run.append(run.samples_path, ["----- step 1 -----\nbegin\n\n", "----- step 4 -----\nend\n\n"])
    found = Conclusion({"loss": 1.0}, ["held-out loss 1"], "end")
    facts = Facts("gru", ("loss", "nats"), 4, 4, 1, conclusion=found)
    page = make_page(run, facts)
    assert page.count(">end<") == 1
    assert "begin" in page.split("<details>")[1]


def test_tables_of_a_conclusion_are_tables(run: Run) -> None:
    tables = [Table(["ahead", "<ours>"], [["1", 0.5], ["all", float("nan")]]), "in words"]
    found = Conclusion({}, ["tested on:\nmuch", *tables])
    page = make_page(run, Facts("gru", ("loss", "nats"), 4, 4, 1, conclusion=found))
    assert '<ul class="result"><li>tested on:</li><li>much</li></ul>' in page
    assert '<table class="figures"><thead><tr><th scope="col">ahead</th>' in page
    assert '<th scope="col">&lt;ours&gt;</th>' in page
    assert '<tr><th scope="row">1</th><td>0.5</td></tr>' in page
    assert '<tr><th scope="row">all</th><td>-</td></tr>' in page
    assert "<li>in words</li>" in page


def test_a_confusion_matrix_is_a_table_and_not_told_twice(run: Run) -> None:
    figures = {"loss": 0.5, "baseline_loss": 1.0, "confusion": [[3, 1], [0, 4]]}
    figures["labels"] = labels = ["<a>", "b"]
    told = tell_confusion(torch.tensor(figures["confusion"]), tuple(labels))
    found = Conclusion(figures, ["held-out loss 0.5", told], "truth b   ours b")
    page = make_page(run, Facts("gru", ("loss", "nats"), 4, 4, 1, conclusion=found))
    assert "true, said" not in page
    assert '<bdi>&lt;a&gt;</bdi></th><td class="right" style="--share:0.75">3</td>' in page
    many = {"confusion": [[1] * 40] * 40, "labels": list(map(str, range(40)))}
    found = Conclusion(many, ["held-out loss 0.5", told], "truth b   ours b")
    page = make_page(run, Facts("gru", ("loss", "nats"), 4, 4, 1, conclusion=found))
    assert '<table class="confusion"' not in page
    assert "true, said" in page


def test_what_differs_from_the_defaults() -> None:
    usual = TrainSettings()
    values = usual.replace(lr=0.1, clip=0.0, seed=0).as_dict()
    assert changes(values, usual) == {"lr": None, "clip": 1.0}
    assert changes({"unheard_of": 1}, usual) == {}
    assert changes(values, None) == {}
    # what the program has chosen by the data or the machine is not what the user changed
    assert changes(values, usual, ["clip", "seed"]) == {"clip": 1.0}
    assert changes(values, usual, []) == {}


def test_settings_that_differ_are_marked(run: Run) -> None:
    config = run.read_config()
    config["train"] = {"clip": 0.5, "seed": 0, "steps": 9, "tensorboard": False}
    run.write_config(config)
    facts = Facts("gru", ("loss", "nats"), 4, 4, 1, defaults={"train": TrainSettings()})
    page = make_page(run, facts)
    assert "<td>0.5<small> (default 1)</small></td>" in page
    assert "<td>9</td>" in page  # there is no number of steps by default
    assert page.count('class="changed"') == 2
    assert "<td>no</td>" in page
    assert 'title="Largest norm of the gradient; 0 for any."' in page


def test_the_rates_that_were_used_are_shown(run: Run) -> None:
    config = run.read_config()
    shown = []
    for changed in (TrainSettings(), TrainSettings(optimiser="sgd", lr=0.25)):
        run.write_config({**config, "train": changed.as_dict(), "given": ["lr", "optimiser"]})
        defaults = {"train": TrainSettings()}
        shown.append(make_page(run, Facts("gru", ("loss", "nats"), 4, 4, 1, defaults=defaults)))
    adamw, sgd = shown
    assert ">lr</th><td>0.004<small> (of adamw)</small></td>" in adamw
    assert ">weight decay</th><td>0.01<small> (of adamw)</small></td>" in adamw
    assert 'class="changed"' not in adamw
    assert ">lr</th><td>0.25</td>" in sgd
    assert ">weight decay</th><td>0<small> (of sgd)</small></td>" in sgd
    assert sgd.count('class="changed"') == 2


def test_the_commands_that_made_it(run: Run) -> None:
    made = {"began": "2026-01-02T03:04:05+00:00", "arguments": ["train", "text", "a b.txt"]}
    made |= {"ostinato": "0.1.0", "torch": "2.6", "python": "3.12", "system": "Linux x86_64"}
    resumed = {**made, "arguments": ["train", "--resume", "it"], "torch": "2.7"}
    for each in (made, resumed, resumed):
        run.append(run.commands_path, [json.dumps({**each, "threads": 2, "processes": 1}) + "\n"])
    page = make_page(run, FACTS)
    # each in a box of its own whose lines wrap
    first, then = "ostinato train text &#x27;a b.txt&#x27;", "ostinato train --resume it"
    assert "".join(f'<pre class="command">{line}</pre>' for line in (first, then)) in page
    assert page.count('<pre class="command">') == 2
    assert "pre.command { white-space: pre-wrap;" in page
    assert "torch 2.7, Python 3.12, Linux x86_64; 2 threads." in page
    assert "2 January 2026, 03:04" in page


def test_hidden_activations_bring_the_only_script(run: Run) -> None:
    facts = Facts(
        "gru", ("loss", "nats"), 4, 4, 1, activations=Activations("It.", {"l": torch.randn(3, 2)})
    )
    page = make_page(run, facts)
    assert page.count("<script>") == 1
    assert "'sha256-" in page.replace("&#x27;", "'")
