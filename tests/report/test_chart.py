"""Curves for a page."""

import math
import re

import pytest

from ostinato.report.chart import Scale, draw_chart, fitted


def records(count: int) -> list[dict[str, float]]:
    return [
        {"step": n, "loss": 3 / n, "lr": 0.1 / n, "grad_norm": 1 + n % 2}
        for n in range(1, 1 + count)
    ]


def points(chart: str, kind: str) -> int:
    paths = re.findall(rf'<path class="{kind}" d="([^"]*)"', chart)
    return sum(path.count("L") + 1 for path in paths)


@pytest.mark.parametrize("count", [1, 2, 60])
def test_each_step_is_a_point(count: int) -> None:
    chart = draw_chart(records(count), "loss", "nats")
    assert points(chart, "training") == count
    assert chart.count("<svg") == 3
    assert "learning rate" in chart
    assert "norm of the gradient" in chart
    assert "held-out" not in chart


def test_many_steps_are_thinned() -> None:
    told = [{**record, "held_out_loss": 1.0} for record in records(50_000)]
    chart = draw_chart(told, "loss", "nats")
    assert points(chart, "training") <= 300
    assert 500 <= points(chart, "held-out") <= 503
    assert chart.count('class="dot"') == 1  # the best
    assert len(chart) < 50_000


def test_the_best_validation_is_marked() -> None:
    told = records(9)
    for step, value in ((3, 0.5), (6, 0.25), (9, 0.75)):
        told[step - 1]["held_out_loss"] = value
    lowest = draw_chart(told, "loss", "nats")
    assert "0.25 at step 6" in lowest
    assert lowest.count('class="ring"') == 1
    assert lowest.count('class="dot"') == 3 + 1
    # judged by another figure than the one that is drawn
    assert "0.75 at step 9" in draw_chart(told, "loss", "nats", best_step=9)


def test_a_training_loss_of_another_kind_stands_apart() -> None:
    told = [{**record, "held_out_bpc": 2.0} for record in records(6)]
    chart = draw_chart(told, "bpc", "bits per character")
    assert points(chart, "training") == 0
    assert points(chart, "held-out") == 6
    assert "training loss, of another kind" in chart
    assert chart.count("<svg") == 4
    assert 'aria-label="bits per character over 6 steps: held out best 2 at step 1"' in chart


def test_a_baseline_is_in_sight() -> None:
    chart = draw_chart(records(5), "loss", "nats", baseline=7.0)
    assert "baseline" in chart
    (height,) = re.findall(r'class="baseline" d="M0 ([\d.]+)H', chart)
    assert 0 <= float(height) <= 1000


def test_nothing_is_drawn_of_no_steps() -> None:
    assert draw_chart([], "loss", "nats") == ""
    assert draw_chart([{"step": 1, "lr": 0.1}], "loss", "nats") == ""


@pytest.mark.parametrize(
    "values", [[2.0], [0.0, 0.0], [-3.0, 5.0], [1e-9, 2e-9], [0.001, 400.0], [1e6, 3e6], [5.0, 5.0]]
)
@pytest.mark.parametrize("most", [3, 6])
def test_ticks_are_round_and_in_the_picture(values: list[float], most: int) -> None:
    scale = fitted(values)
    ticks = scale.ticks(most)
    assert 1 <= len(ticks) <= most + 1
    assert all(0 <= scale(value) <= 1 for value in [*values, *ticks])
    for tick in ticks:
        digits = f"{abs(tick):.6e}".split("e")[0].rstrip("0").replace(".", "")
        assert len(digits) <= 3


def test_a_wide_range_is_logarithmic() -> None:
    scale = fitted([0.001, 400.0])
    assert scale.logarithmic
    assert math.isclose(scale(0.01) - scale(0.001), scale(100) - scale(10))
    assert not fitted([1.0, 20.0]).logarithmic
    assert fitted([0.001, 400.0], from_zero=True).first == 0


def test_no_range_is_no_division_by_zero() -> None:
    assert Scale(1.0, 1.0)(1.0) == 0
