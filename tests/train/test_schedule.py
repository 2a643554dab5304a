"""Learning-rate schedules follow their formulae, and go on where they stopped."""

import json
import math
from collections.abc import Callable

import pytest
import torch

from ostinato.errors import ArgumentError
from ostinato.train import TrainSettings
from ostinato.train.optimiser import make_optimiser
from ostinato.train.schedule import SCHEDULES, Schedule


def rates(steps: int = 10, **changes: object) -> list[float]:
    settings = TrainSettings(lr=1.0, steps=steps, warm_up=0).replace(**changes)
    optimiser = make_optimiser(torch.nn.Linear(1, 1), settings)
    schedule = Schedule(optimiser, settings, steps)
    found = []
    for _ in range(steps):
        found.append(schedule.lr)
        optimiser.step()
        schedule.stepped()
    return found


def test_constant() -> None:
    assert rates(schedule="constant") == [1.0] * 10


def test_linear() -> None:
    assert rates(schedule="linear") == pytest.approx([1 - i / 10 for i in range(10)])
    assert rates(schedule="linear", final_lr=0.5)[-1] == pytest.approx(1 - 0.5 * 0.9)


def test_cosine() -> None:
    wanted = [(1 + math.cos(math.pi * i / 10)) / 2 for i in range(10)]
    assert rates(schedule="cosine") == pytest.approx(wanted)


def test_hold() -> None:
    wanted = [1.0] * 7 + [1 - (i - 6) / 4 for i in (7, 8, 9)]
    assert rates(schedule="hold") == pytest.approx(wanted)


def test_onecycle_rises_and_falls() -> None:
    found = rates(steps=100, schedule="onecycle", warm_up=0.5)
    assert found[0] == pytest.approx(1 / 25)
    assert max(found) == found[30] == pytest.approx(1.0)
    assert found[-1] < 0.01


def test_warm_up_is_a_share_of_the_steps() -> None:
    found = rates(steps=20, schedule="linear", warm_up=0.2)
    assert found[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert found[5] == pytest.approx(1 - 1 / 16)


def by_epoch(rule: Callable[[float], float] | None = None, **changes: object) -> list[float]:
    """The rates of 10 steps, 3 an epoch."""
    settings = TrainSettings(lr=0.5, steps=10).replace(**changes)
    optimiser = make_optimiser(torch.nn.Linear(1, 1), settings)
    schedule = Schedule(optimiser, settings, 10, 3, rule)
    found = []
    for _ in range(10):
        found.append(schedule.lr)
        optimiser.step()
        schedule.stepped()
    return found


def test_exponential_goes_by_the_epoch() -> None:
    wanted = [0.5 * 0.9 ** (i // 3) for i in range(10)]
    assert by_epoch(schedule="exponential", lr_decay=0.9) == pytest.approx(wanted)


def test_exponential_may_wait_some_epochs() -> None:
    wanted = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    found = by_epoch(schedule="exponential", lr_decay=0.5, decay_after=2)
    assert found == pytest.approx(wanted)


def test_a_rule_of_ones_own_goes_by_the_epoch() -> None:
    found = by_epoch(lambda epochs: 1 / (1 + epochs), schedule="plateau", warm_up=0.5)
    assert found == pytest.approx([0.5 / (1 + i / 3) for i in range(10)])


def test_plateau_halves_when_nothing_improves() -> None:
    settings = TrainSettings(lr=1.0, schedule="plateau")
    schedule = Schedule(make_optimiser(torch.nn.Linear(1, 1), settings), settings, 10)
    found = []
    for loss in (3.0, 2.0, 2.5, 2.5, 2.5, 2.5):
        schedule.validated(loss)
        found.append(schedule.lr)
    assert found == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_state_goes_through_json(name: str) -> None:
    settings = TrainSettings(lr=0.3, schedule=name, steps=9)

    def make() -> tuple[torch.optim.Optimizer, Schedule]:
        optimiser = make_optimiser(torch.nn.Linear(1, 1), settings)
        return optimiser, Schedule(optimiser, settings, 9)

    def walk(optimiser: torch.optim.Optimizer, schedule: Schedule, steps: range) -> list[float]:
        found = []
        for step in steps:
            optimiser.step()
            schedule.stepped()
            schedule.validated(1.0 + step % 2)
            found.append(schedule.lr)
        return found

    optimiser, schedule = make()
    walk(optimiser, schedule, range(4))
    kept = json.loads(json.dumps([optimiser.state_dict()["param_groups"], schedule.state_dict()]))
    wanted = walk(optimiser, schedule, range(4, 9))
    optimiser, schedule = make()
    optimiser.load_state_dict({"state": {}, "param_groups": kept[0]})
    schedule.load_state_dict(kept[1])
    assert walk(optimiser, schedule, range(4, 9)) == wanted


def test_an_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(ArgumentError, match=r"schedule: .*Did you mean cosine\?"):
        TrainSettings(schedule="cosin")
