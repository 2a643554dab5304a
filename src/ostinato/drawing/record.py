"""Recording what a run does: every call of a torch function or module, whatever the control flow.

A `TorchFunctionMode` sees the calls as they are written (``torch.tanh``, ``a + b``), above autograd
and its many small kernels; hooks on all modules say in which module they are. The run itself goes
on as ever, so that loops, branches and foreign modules need nothing of their own.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter

from ostinato import _tree
from ostinato.backends.call import observer
from ostinato.cell import Cell, Lift
from ostinato.drawing import frames, labels
from ostinato.drawing.graph import Graph, Kind, Node, Value

READERS = {
    *("item", "tolist", "numpy", "data_ptr", "equal", "allclose", "is_nonzero"),
    *("__bool__", "__int__", "__float__", "__complex__", "__index__", "__array__", "__contains__"),
}
"""Functions by which values leave torch for Python, which may then act on them."""


@dataclass
class Call:
    """A module under way, and its node where the picture does not look into it."""

    module: nn.Module
    node: Node | None


class Failed(NamedTuple):
    """A call that raised: the error, its node and name, what it read, and in which module."""

    error: BaseException
    node: Node
    what: str
    read: list[Tensor]
    module: nn.Module | None


class Recorder(TorchFunctionMode):
    """Records all calls within its block into ``graph``.

    ``depth`` is how many modules deep the picture looks: a module below that is one node, and so
    is a module of torch.nn that has no modules in it. ``root`` is the module that paths start
    from; without it they start from the class of the outermost module of each call. ``step`` is
    the time step that calls belong to, which whoever runs the steps sets.
    """

    def __init__(self, depth: int, root: nn.Module | None = None) -> None:
        super().__init__()
        self.graph, self.step = Graph(), 0
        self._depth = depth
        self._stack: list[Call] = []
        self._values: dict[int, Value] = {}
        self._kept: list[Tensor] = []  # so that no id is used twice
        self._roots: list[nn.Module] = []
        self._paths: dict[int, str] = {}
        self._parameters: dict[int, str] = {}
        self._failed: Failed | None = None
        self._thread = threading.get_ident()  # hooks are called in all threads
        if root is not None:
            self._learn(root, "")

    def __enter__(self) -> Self:
        self._hooks = (
            register_module_forward_pre_hook(self._begin),
            register_module_forward_hook(self._end, always_call=True),
        )
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        for hook in self._hooks:
            hook.remove()
        super().__exit__(*error)

    def leaf(self, tensor: Tensor, kind: Kind, step: int | None, name: str = "") -> Value:
        """Bring a tensor into the graph that no call has made."""
        label = f"{name} {labels.of_shape(tensor)}"
        return self._made(self.graph.add(Node(kind, label, step=step)), tensor, name)

    def value(self, tensor: Tensor) -> Value:
        """What is known of a tensor; an unknown one is a parameter or a constant."""
        found = self._values.get(id(tensor))
        if found is not None:
            return found
        if isinstance(tensor, nn.Parameter) or id(tensor) in self._parameters:
            name = self._parameters.get(id(tensor), "parameter")
            return self.leaf(tensor, "parameter", None, name)
        return self.leaf(tensor, "constant", self.step, "constant")

    def failure(self, error: BaseException) -> str | None:
        """Mark the node of what ended the run; gives one line on what it was, where, and on what.

        It is the call that raised the error, or the innermost module that the error came out of;
        None where there is neither.
        """
        failed = self._failed
        if failed is None or not any(failed.error is cause for cause in frames.causes(error)):
            failed = self._failed_module(error)
        if failed is None:
            return None
        failed.node.failed = True
        module = failed.module or self._find(error)
        kind = type(module).__name__
        path = self._paths.get(id(module), kind)
        place = path or "forward"
        place += f" ({kind})" if path != kind else ""
        given = ", ".join(self._words(tensor) for tensor in failed.read)
        said = failed.what + (f" in {place}" if module is not None else "")
        return said + (f", given {given}" if given else "")

    def __torch_function__(
        self, func: Any, types_: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        read = tensors((args, kwargs))
        self._name_locals()
        versions = [version(tensor) for tensor in read]
        try:
            result = func(*args, **kwargs)
        except Exception as error:
            node = self._into(self._call(func, args, kwargs), read)
            known = [c.module for c in self._stack if id(c.module) in self._paths]
            module = known[-1] if known else None
            self._failed = Failed(error, node, func.__name__.strip("_"), read, module)
            raise
        given = {id(tensor) for tensor in read}
        made = [tensor for tensor in tensors(result) if id(tensor) not in given]
        changed = [t for t, before in zip(read, versions, strict=True) if version(t) != before]
        if func is Tensor.clone and sys._getframe(1).f_globals is vars(_tree):
            # `_tree.apart` keeps memory apart; in the picture the copy is what it copies
            self._values[id(result)] = self.value(read[0])
            self._kept.append(result)
        elif made or changed:
            node = self._into(self._call(func, args, kwargs), read)
            for tensor in [*made, *self._with_views(changed)]:
                self._made(node, tensor)
        elif func.__name__ in READERS:
            node = Node("read", func.__name__.strip("_"), self._path(), self.step)
            self._into(self._within() or self.graph.add(node), read)
        return result

    @contextmanager
    def over_time(self, cell: Cell) -> Generator[None]:
        """A run of a cell over time: one node, as that of a module, unless the picture looks in."""
        if self._within() is not None or self._opens(cell):
            yield  # its steps are calls of the cell
            return
        self._name_locals()
        path = self._paths[id(cell)]
        node = self.graph.add(Node("module", labels.of_module(cell), path, self.step))
        self._stack.append(Call(cell, node))
        try:
            yield
        finally:
            self._stack.pop()

    @observer
    def _begin(self, module: nn.Module, args: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        self._name_locals()
        if not self._stack and id(module) not in self._paths:
            self._learn(module, type(module).__name__)
        if not self._stack:
            self._bring_in(module, args)
        node = None
        if self._within() is None and not self._opens(module):
            path = self._paths[id(module)]
            node = self.graph.add(Node("module", labels.of_module(module), path, self.step))
        self._stack.append(Call(module, node))

    @observer
    def _end(self, module: nn.Module, args: Any, result: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        node = self._stack.pop().node
        unseen = [tensor for tensor in tensors(result) if id(tensor) not in self._values]
        if node is not None and unseen:  # made out of torch's sight, by a script or own kernels
            self._into(node, tensors(args))
            for tensor in unseen:
                self._made(node, tensor)

    def _bring_in(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        """Tensors that come into an outermost module, and that nothing is known of, are inputs."""
        given = inspect.signature(module.forward).bind_partial(*args).arguments
        for argument, tree in given.items():
            for name, tensor in labels.named(argument, tree):
                if id(tensor) not in self._values and id(tensor) not in self._parameters:
                    self.leaf(tensor, "input", self.step, name)

    def _opens(self, module: nn.Module) -> bool:
        """Whether the picture looks into a module."""
        if self._passes(module):
            return True
        whole = is_from(module, "torch.nn.") and not any(module.children())
        level = sum(not self._passes(call.module) for call in self._stack)
        return level < self._depth and not (whole and self._stack)

    def _passes(self, module: nn.Module) -> bool:
        """Whether a module is only a hull: a lift, or one that was made during the run."""
        return isinstance(module, Lift) or id(module) not in self._paths

    def _learn(self, root: nn.Module, prefix: str) -> None:
        """Where the modules under a root are, and how its parameters and buffers are called."""
        self._roots.append(root)
        for name, module in root.named_modules():
            path = ".".join(filter(None, (prefix, name)))
            self._paths.setdefault(id(module), path)
            if isinstance(module, Lift):
                self._paths[id(module.module)] = path
        for name, held in [*root.named_parameters(), *root.named_buffers()]:
            name = ".".join(filter(None, (prefix, name)))
            self._parameters[id(held)] = name
            if (value := self._values.get(id(held))) is not None:  # it was read by a function
                value.name, value.source.label = name, f"{name} {value.shape}"
                value.source.kind, value.source.step = "parameter", None

    def _within(self) -> Node | None:
        """The node of the module that all calls just now belong to, where there is one."""
        return next((call.node for call in self._stack if call.node is not None), None)

    def _path(self) -> str:
        """The path of the innermost module with one."""
        known = [self._paths.get(id(call.module), "") for call in reversed(self._stack)]
        return next(filter(None, known), "")

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Node:
        """The node of a call: its own, or that of the module that it is hidden in."""
        within = self._within()
        if within is not None:
            return within
        label = labels.of_function(func, args, kwargs)
        return self.graph.add(Node("call", label, self._path(), self.step))

    def _into(self, node: Node, read: list[Tensor]) -> Node:
        """The node, with the values of these tensors going into it."""
        for tensor in read:
            hidden = node.kind == "module" and id(tensor) not in self._parameters
            if hidden and id(tensor) not in self._values:
                continue  # a constant of the module's own
            value = self.value(tensor)
            if value.source is not node:
                self.graph.connect(value, node)
        return node

    def _made(self, node: Node, tensor: Tensor, name: str = "") -> Value:
        value = Value(node, labels.of_shape(tensor), tensor.requires_grad, name)
        self._values[id(tensor)] = value
        self._kept.append(tensor)
        return value

    def _with_views(self, changed: list[Tensor]) -> list[Tensor]:
        """Tensors that were changed in place, and all that share their memory.

        Parameters and buffers stay what they are, as when they are drawn or averaged anew.
        """
        wholes = unique(whole(tensor) for tensor in changed)
        wholes = [w for w in wholes if not isinstance(w, nn.Parameter)]
        ids = {id(w) for w in wholes} - set(self._parameters)
        return [tensor for tensor in unique(self._kept + changed) if id(whole(tensor)) in ids]

    def _name_locals(self) -> None:
        """Call values after the variables that hold them in the module that is drawn.

        Within a module that is one node, only the tensors of a state get their names.
        """
        drawn = [call.module for call in self._stack if call.node is None]
        within = self._within() is not None
        asked = [call.module for call in self._stack] if within else drawn
        if not asked or isinstance(asked[-1], Lift):
            return
        if is_from(asked[-1], "torch.nn.", "ostinato.combine."):
            return  # their variables have names for anything
        frame = frames.of_method(sys._getframe(1), asked[-1])
        for name, tensor in frames.local_names(frame):
            value = self._values.get(id(tensor))
            if (
                value is not None
                and not value.name
                and (not within or value.source.kind == "state")
            ):
                value.name = name

    def _failed_module(self, error: BaseException) -> Failed | None:
        """The innermost module that an error came out of, for errors that Python code raised."""
        module = self._find(error)
        if module is None:
            return None
        frame = next(
            frame for frame in reversed(frames.passed(error)) if module in frames.modules(frame)
        )
        read = [tensor for tensor in tensors(dict(frame.f_locals)) if id(tensor) in self._values]
        label, path = labels.of_module(module), self._paths[id(module)]
        node = self.graph.add(Node("module", label, path, self.step))
        return Failed(error, self._into(node, read), type(error).__name__, read, module)

    def _find(self, error: BaseException) -> nn.Module | None:
        """The module that the innermost frame which an error passed is at work on.

        Its path starts from the outermost module there that it is part of.
        """
        found = [module for frame in frames.passed(error) for module in frames.modules(frame)]
        if found and id(found[-1]) not in self._paths:
            root = next(module for module in found if found[-1] in module.modules())
            self._learn(root, type(root).__name__)
        return found[-1] if found else None

    def _words(self, tensor: Tensor) -> str:
        known = id(tensor) in self._values or id(tensor) in self._parameters
        return self.value(tensor).text if known else labels.of_shape(tensor)


def is_from(module: nn.Module, *packages: str) -> bool:
    """Whether a module's class is defined in one of these packages."""
    return type(module).__module__.startswith(packages)


def tensors(tree: Any) -> list[Tensor]:
    """All tensors in a tree of any kind, each once."""
    return unique(leaf for leaf in tree_iter(tree) if isinstance(leaf, Tensor))


def unique(found: Iterable[Tensor]) -> list[Tensor]:
    """The tensors, each once."""
    return list({id(tensor): tensor for tensor in found}.values())


def version(tensor: Tensor) -> int:
    """A number that grows when a tensor is changed in place; inference tensors have none."""
    return 0 if tensor.is_inference() else tensor._version


def whole(tensor: Tensor) -> Tensor:
    """The tensor that this one is a view of; itself where it is none."""
    return tensor if tensor._base is None else tensor._base
