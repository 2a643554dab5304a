"""What is found of a model, as text."""

from ostinato.conclusion import Conclusion, Table


def test_a_table_stands_in_columns() -> None:
    table = Table(["ahead", "MASE"], [["1", 0.123456], ["all", float("nan")], ["two", "much"]])
    assert str(table).splitlines() == [
        "ahead     MASE",
        "1      0.12346",
        "all          -",
        "two       much",
    ]


def test_parts_stand_apart_and_what_is_shown_comes_last() -> None:
    said = Conclusion({"loss": 1.0}, ["loss 1", Table(["a"], [["b"]])], "once upon")
    assert str(said) == "loss 1\n\na\nb\n\nonce upon\n"
    assert str(Conclusion({}, ["loss 1"])) == "loss 1"
