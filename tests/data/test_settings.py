"""Settings: defaults, limits, and their way to JSON and back."""

from dataclasses import dataclass

import pytest

from ostinato.data import Settings, setting
from ostinato.errors import ArgumentError


@dataclass(frozen=True)
class Cooking(Settings):
    """An example."""

    pot: str = setting("iron", "What to cook in.", choices=("iron", "clay"))
    minutes: int = setting(10, "How long.", least=1)
    salt: float = setting(0.5, "How much.", least=0, below=1)
    spoons: int | None = setting(None, "How many.", least=1, most=9)


def test_defaults_are_valid_and_none_is_not_checked() -> None:
    assert Cooking().as_dict() == {"pot": "iron", "minutes": 10, "salt": 0.5, "spoons": None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pot": "irn"}, "pot: wanted one of iron, clay, got 'irn'. Did you mean iron?"),
        ({"minutes": 0}, "minutes: wanted a number of at least 1, got 0."),
        ({"salt": 1.0}, "salt: wanted a number of at least 0 and less than 1, got 1.0."),
        ({"salt": float("nan")}, "salt: wanted a number of at least 0 and less than 1, got nan."),
        ({"spoons": 10}, "spoons: wanted a number of at least 1 and at most 9, got 10."),
    ],
)
def test_values_outside_the_limits_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        Cooking(**changes)
    assert str(error.value) == message


def test_a_change_is_checked_again() -> None:
    assert Cooking().replace(minutes=3).minutes == 3
    with pytest.raises(ArgumentError):
        Cooking().replace(minutes=-3)


def test_dict_and_back() -> None:
    cooking = Cooking(pot="clay", spoons=2)
    assert Cooking.from_dict(cooking.as_dict(), "config.json") == cooking


def test_an_unknown_name_says_where_it_came_from() -> None:
    with pytest.raises(ArgumentError, match=r"config\.json: pan: wanted a setting of Cooking"):
        Cooking.from_dict({"pan": 1}, "config.json")
