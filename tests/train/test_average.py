"""The moving average of weights."""

import torch
from torch import nn

from ostinato.train.average import Average


def test_the_average_follows_its_formula() -> None:
    module = nn.Linear(2, 1)
    average = Average(module, 0.9)
    wanted = module.weight.detach().clone()
    for step in range(1, 30):
        with torch.no_grad():
            module.weight.add_(torch.randn(1, 2))
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        wanted = decay * wanted + (1 - decay) * module.weight.detach()
    torch.testing.assert_close(average.values[0], wanted)


def test_it_is_applied_in_a_block_and_only_there() -> None:
    module = nn.Linear(2, 1)
    average = Average(module, 0.5)
    with torch.no_grad():
        module.weight.add_(1)
    average.update()
    weight, mean = module.weight.detach().clone(), average.values[0].clone()
    with average.applied():
        assert torch.equal(module.weight, mean)
    assert torch.equal(module.weight, weight)
    assert torch.equal(average.values[0], mean)


def test_it_goes_on_where_it_was() -> None:
    module = nn.Linear(2, 1)
    average, again = Average(module, 0.9), Average(module, 0.9)
    average.update()
    again.load(average.values, average.steps)
    with torch.no_grad():
        module.weight.add_(1)
    average.update()
    again.update()
    assert torch.equal(average.values[0], again.values[0])
