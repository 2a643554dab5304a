"""How functions, modules and tensors are named in a picture."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import keystr, tree_flatten_with_path

SYMBOLS = {
    "add": "+",
    "sub": "\N{MINUS SIGN}",
    "mul": "\N{MULTIPLICATION SIGN}",
    "div": "\N{DIVISION SIGN}",
    "pow": "^",
    "matmul": "@",
    "mm": "@",
    "neg": "\N{MINUS SIGN}",
    "sigmoid": "\N{GREEK SMALL LETTER SIGMA}",
}
"""Functions that have a sign; also with an r before the name, where the operands are swapped."""

# What a module says of its sizes is shown where it is no longer than "LSTM(1234, 5678)".
_SIZES = 12


def of_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """A call as a label: a sign with its number, as in ``1 -``, an index, or the name."""
    name: str = func.__name__
    if name == "__get__":  # an attribute such as x.T
        return func.__self__.__name__
    name = name.strip("_")
    if name in ("getitem", "setitem"):
        return f"[{of_index(args[1])}]" + (" =" if name == "setitem" else "")
    if name == "dropout":
        return f"dropout {kwargs['p']}" if "p" in kwargs else name
    plain = {"truediv": "div", "true_divide": "div"}.get(name, name)
    swapped = plain[0] == "r" and plain[1:] in SYMBOLS
    sign = SYMBOLS.get(plain[1:] if swapped else plain)
    if sign is None:
        return name
    numbers = [str(a) for a in args if isinstance(a, (int, float))]
    return " ".join([*numbers, sign] if swapped else [sign, *numbers])


def of_index(index: Any) -> str:
    """An index as it is written, tensors in it as their shapes."""
    if isinstance(index, tuple):
        return ", ".join(of_index(part) for part in index)
    if isinstance(index, slice):
        ends = ["" if end is None else of_index(end) for end in (index.start, index.stop)]
        return ":".join(ends)
    if index is Ellipsis:
        return "..."
    return of_shape(index) if isinstance(index, Tensor) else str(index)


def of_module(module: nn.Module) -> str:
    """The class of a module, with its sizes where they are short."""
    said = module.extra_repr()
    sizes = f"({said})" if 0 < len(said) <= _SIZES and "=" not in said else ""
    return type(module).__name__ + sizes


def of_shape(tensor: Tensor) -> str:
    """``[4, 5]``, with the dtype where it is not a floating one."""
    shape = str(list(tensor.shape)) if tensor.dim() else "scalar"
    if tensor.is_floating_point():
        return shape
    return f"{shape} {str(tensor.dtype).removeprefix('torch.')}"


def numbered(name: str, number: int | None) -> str:
    """``x₁`` for x and 1; the name alone without a number."""
    if number is None:
        return name
    return name + str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def named(name: str, tree: Any) -> list[tuple[str, Tensor]]:
    """The tensors of a tree: ``x`` for a single one, else by field, key or index as ``x[0]``."""
    leaves = tree_flatten_with_path(tree)[0]
    found = [(keystr(path), leaf) for path, leaf in leaves if isinstance(leaf, Tensor)]
    return [(field(path) or name + path, tensor) for path, tensor in found]


def field(path: str) -> str:
    """The end of a path in a tree from its last field or key, as in ``mask[0]``; may be empty."""
    found = re.search(r"(?:\.|\[')(\w+)(?:'\])?((?:\[\d+\])*)$", path)
    return found[1] + found[2] if found else ""
