"""A step run apart from everything that surrounds the caller, and leaving no trace.

Modes of dispatch, saved-tensor hooks, inference mode, autocast, transforms, a default device and
profilers belong to a thread of Python's. So a step that is only looked at runs in a thread of its
own, where there is none of them, and nobody there sees it. What it changes is put back: attributes,
containers, and all sources of random numbers.
"""

from __future__ import annotations

import contextvars
import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

from ostinato.backends.fused.identity import Identity, generator_state

T = TypeVar("T")


def apart(run: Callable[[], T]) -> T:
    """The result of ``run()`` in a new thread, or what it raises; random numbers stay as they are.

    Whether gradients are recorded is as it is here; so are context variables.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    grad = torch.is_grad_enabled()
    context = contextvars.copy_context()

    def work() -> None:
        torch.set_grad_enabled(grad)
        try:
            results.append(context.run(run))
        except BaseException as error:
            errors.append(error)

    states = torch.get_rng_state(), random.getstate(), np.random.get_state()
    thread = threading.Thread(target=work, name="ostinato looks at a step")
    thread.start()
    thread.join()
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    np.random.set_state(states[2])
    if errors:
        raise errors[0]
    return results[0]


def foreign_random_state() -> tuple[Any, ...]:
    """Where Python's and NumPy's own random numbers stand, to be compared."""
    _, numbers, *rest = np.random.get_state(legacy=True)
    return random.getstate(), np.asarray(numbers).tobytes(), *rest


class Snapshot:
    """All that a step might change of a cell, but the numbers in tensors."""

    def __init__(self, found: Identity) -> None:
        self.named = found.named
        self.containers = [(one, copied(one), name) for one, name in found.containers.values()]
        for module in found.modules:
            own = module.__dict__
            for place in (own, own["_parameters"], own["_buffers"], own["_modules"]):
                self.containers.append((place, dict(place), type(module).__name__))

    def changed(self) -> list[str]:
        """Names of what is not as it was, as in ``GRU.calls``."""
        found: dict[str, None] = {}
        for container, before, name in self.containers:
            now = copied(container)
            if isinstance(before, dict) and isinstance(now, dict):
                keys = [k for k in now | before if now.get(k) is not before.get(k)]
                found |= dict.fromkeys(f"{name}.{k}" for k in keys)
            elif repr(now) != repr(before):
                found[name] = None
        for container, key, value in self.named:
            try:
                if container[key] is not value:
                    found[str(key)] = None
            except (AttributeError, KeyError, ValueError):
                continue
        return list(found)

    def restore(self) -> None:
        """Put everything back that is not as it was."""
        for container, before, _ in self.containers:
            put_back(container, before)
        for container, key, value in self.named:
            try:
                if container[key] is not value:
                    container[key] = value
            except (AttributeError, KeyError, ValueError):
                continue  # it was not there before


def copied(container: Any) -> Any:
    """What is in a container, to put back."""
    if isinstance(container, (list, set, deque, np.ndarray)):
        return container.copy()
    if isinstance(container, dict):
        return dict(container)
    return generator_state(container)


def put_back(container: Any, before: Any) -> None:
    """Give a container its old content."""
    if isinstance(container, np.ndarray):
        if container.flags.writeable:
            container[...] = before
    elif isinstance(container, dict):
        same = list(container) == list(before)
        if not same or any(container[name] is not before[name] for name in before):
            container.clear()
            container.update(before)
    elif isinstance(container, (list, deque)):
        if list(map(id, container)) != list(map(id, before)):
            container.clear()
            container.extend(before)
    elif isinstance(container, set):
        container &= before
        container |= before
    elif isinstance(container, random.Random):
        container.setstate(before)
    elif isinstance(container, np.random.RandomState):
        container.set_state(before)
    else:
        container.bit_generator.state = before
