"""All parameters as one vector, all gradients as another."""

from __future__ import annotations

import torch
from torch import nn

from ostinato import Stack, cells, flatten_parameters_and_grads, unroll


def model() -> Stack:
    return Stack(nn.Embedding(7, 4), cells.LSTM(4, 5), nn.Linear(5, 7))


INDEX = torch.arange(12).remainder(7).reshape(4, 3)


def backward(module: Stack) -> None:
    unroll(module, INDEX)[0].square().sum().backward()


def test_values_are_kept_and_shared() -> None:
    module = model()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    values, grads = flatten_parameters_and_grads(module)
    assert values.shape == grads.shape == (sum(p.numel() for p in module.parameters()),)
    for key, value in module.state_dict().items():
        assert torch.equal(value, before[key])
    assert not grads.any()
    values.fill_(0.25)
    assert all((p == 0.25).all() for p in module.parameters())


def test_gradients_are_kept_and_add_up_in_the_vector() -> None:
    module = model()
    backward(module)
    want = torch.cat([p.grad.flatten() for p in module.parameters()])
    _, grads = flatten_parameters_and_grads(module)
    assert torch.equal(grads, want)
    backward(module)
    torch.testing.assert_close(grads, 2 * want)
    grads.zero_()
    assert all(not p.grad.any() for p in module.parameters())


def test_one_update_of_the_vector_is_sgd() -> None:
    module, peer = model(), model()
    peer.load_state_dict(module.state_dict())
    values, grads = flatten_parameters_and_grads(module)
    optimiser = torch.optim.SGD(peer.parameters(), lr=0.1)
    for _ in range(3):
        grads.zero_()
        backward(module)
        values.sub_(0.1 * grads)
        optimiser.zero_grad()
        backward(peer)
        optimiser.step()
    for ours, theirs in zip(module.parameters(), peer.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_an_optimiser_of_torch_moves_the_vector() -> None:
    module = model()
    values, _ = flatten_parameters_and_grads(module)
    before = values.clone()
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    backward(module)
    optimiser.step()
    optimiser.zero_grad(set_to_none=False)
    assert not torch.equal(values, before)
    assert flatten_parameters_and_grads(module)[0].data_ptr() == values.data_ptr()


def test_again_gives_the_same_vectors() -> None:
    module = model()
    first, again = flatten_parameters_and_grads(module), flatten_parameters_and_grads(module)
    for a, b in zip(first, again, strict=True):
        assert a.data_ptr() == b.data_ptr()
        assert torch.equal(a, b)


def test_shared_parameters_stand_once() -> None:
    embedding, output = nn.Embedding(7, 5), nn.Linear(5, 7, bias=False)
    output.weight = embedding.weight
    module = nn.Sequential(embedding, output)
    values, grads = flatten_parameters_and_grads(module)
    assert values.shape == (35,)
    assert output.weight is embedding.weight
    module(torch.tensor([1, 2])).sum().backward()
    assert torch.equal(grads.view(7, 5), embedding.weight.grad)


def test_a_single_and_an_empty_and_a_turned_parameter() -> None:
    one = nn.Linear(3, 2, bias=False)
    values, _ = flatten_parameters_and_grads(one)
    values.fill_(2)
    assert (one.weight == 2).all()
    cell = cells.GRU(0, 4)
    values, _ = flatten_parameters_and_grads(cell)
    again, _ = flatten_parameters_and_grads(cell)
    assert again.data_ptr() == values.data_ptr()
    turned = nn.Linear(3, 2)
    turned.weight = nn.Parameter(torch.arange(6.0).view(3, 2).T)
    values, _ = flatten_parameters_and_grads(turned)
    assert values[:6].tolist() == [0, 2, 4, 1, 3, 5]
