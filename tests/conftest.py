"""What every test gets: one thread, and the same random numbers in every run."""

import pytest
import torch


def pytest_configure() -> None:
    # small products run slower on several threads than on one, most of all beside other workers
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
