"""A missing optional package leads to the extra that brings it."""

import pytest

from ostinato.data.requirements import MissingPackage, require


def test_an_installed_package() -> None:
    assert require("json.decoder", "train").JSONDecoder


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(MissingPackage, match=r"pip install 'ostinato\[text\]'"):
        require("no_such_package.inner", "text")


def test_a_package_that_misses_another_is_its_own_fault(tmp_path, monkeypatch) -> None:
    (tmp_path / "broken_package.py").write_text("import missing_in_turn\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="missing_in_turn"):
        require("broken_package", "text")
