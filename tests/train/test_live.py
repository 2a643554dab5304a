"""The live display, drawn on a terminal that is a string."""

import io

from rich.console import Console

from ostinato.train import Live


def drawn(report: Live) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    console.print(report._panel())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def record(step: int, **more: float) -> dict[str, float]:
    shared = {"loss": 1.5, "bpc": 2.164, "tokens": step * 100, "tokens_per_second": 1234}
    return {"step": step, **shared, "seconds": 61.0, **more}


def test_before_the_first_step() -> None:
    report = Live("a run [first]")
    shown = drawn(report)
    assert "a run [first]" in shown
    assert "step 0 of 1" in shown


def test_all_figures_are_shown() -> None:
    report = Live("a run")
    with report:
        report.start(4000, "tokens")
        report.steps([record(1), record(200, held_out_loss=1.25, held_out_bpc=1.803)])
        report.steps([record(400, held_out_loss=1.5, held_out_bpc=2.164)])
        report.sample(400, "some [bold]text[/bold]\n" + "more\n" * 50)
    shown = drawn(report)
    for wanted in (
        "a run",
        "step 400 of 4,000",
        "1,234 tokens/s",
        "1m01s",
        "left",
        "training   1.500   2.164",
        "held-out   1.500   2.164",
        "best       1.250   1.803",
        "▁█",
        "sample at step 400",
        "some [bold]text[/bold]",
    ):
        assert wanted in shown
    assert shown.count("more") < 15
