"""Records in memory, and several reports at once."""

from typing import Self

from ostinato.train import History, Several, Silent


def test_history() -> None:
    history = History()
    with history as report:
        report.start(2, "tokens")
        report.steps([{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0, "held_out_loss": 1.5}])
        report.sample(2, "text")
    assert history["loss"] == [2.0, 1.0]
    assert history["held_out_loss"] == [1.5]
    assert history["accuracy"] == []
    assert history.samples == [(2, "text")]


def test_several() -> None:
    first, second = History(), History()
    with Several(first, second) as report:
        report.start(1, "tokens")
        report.steps([{"step": 1, "loss": 2.0}])
        report.sample(1, "text")
    assert first.records == second.records == [{"step": 1, "loss": 2.0}]
    assert second.samples == [(1, "text")]


def test_several_are_left_in_the_other_order() -> None:
    said: list[str] = []

    class Named(Silent):
        def __init__(self, name: str) -> None:
            self.name = name

        def __enter__(self) -> Self:
            said.append(f"enter {self.name}")
            return self

        def __exit__(self, *error: object) -> None:
            said.append(f"leave {self.name}")

    with Several(Named("a"), Named("b")):
        pass
    assert said == ["enter a", "enter b", "leave b", "leave a"]
