"""Draws random cells, line by line: see `random_cells`."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from random_cells import Line, Shape, Source, without_dead


@dataclass
class Draft:
    """A source in the making."""

    rng: random.Random
    x: Shape
    states: tuple[Shape, ...]
    made: dict[str, str] = field(default_factory=dict[str, str])
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Inputs and outputs of each linear map."""
    lines: list[Line] = field(default_factory=list[Line])

    @property
    def count(self) -> int:
        return 1 + len(self.states) + len(self.lines)

    def shape(self, value: int) -> Shape:
        given = (self.x, *self.states)
        return given[value] if value < len(given) else self.lines[value - len(given)].shape

    def add(self, expression: str, args: tuple[int, ...], shape: Shape) -> int:
        self.lines.append(Line(expression, args, shape))
        return self.count - 1

    def pick(self, wanted: Callable[[Shape], bool] = lambda s: True) -> int | None:
        """A value whose shape will do, later ones more often."""
        fitting = [i for i in range(self.count) if wanted(self.shape(i))]
        if not fitting:
            return None
        if self.rng.random() < 0.5:
            return self.rng.choice(fitting[-4:])
        return self.rng.choice(fitting)

    def flat(self) -> int:
        """A vector."""
        v = self.pick(lambda s: len(s) == 1)
        assert v is not None  # x is one
        return v

    def like(self, v: int) -> int:
        """A value of the same shape, perhaps the same one, made to fit where need be."""
        if self.rng.random() < 0.7:
            other = self.pick(lambda s: s == self.shape(v))
            assert other is not None
            return other
        return self.fitted(self.pick() or 0, self.shape(v))

    def linear(self, v: int, n: int) -> int:
        """v, a vector, times a weight: one that is there already, as often as not."""
        k = self.shape(v)[0]
        known = [name for name, size in self.sizes.items() if size == (k, n)]
        if known and self.rng.random() < 0.6:
            name = self.rng.choice(known)
        else:
            name = f"m{len(self.made)}"
            self.sizes[name] = (k, n)
            bias = self.rng.random() < 0.7
            kind = self.rng.choice(["linear", "linear", "right", "left"])
            self.made[name] = {
                "linear": f"nn.Linear({k}, {n}, bias={bias})",
                "right": f"fresh({k}, {n})",
                "left": f"fresh({n}, {k})",
            }[kind]
        text = self.made[name]
        if text.startswith("nn"):
            return self.add(f"self.{name}({{0}})", (v,), (n,))
        if text == f"fresh({k}, {n})":
            return self.add(f"{{0}} @ self.{name}", (v,), (n,))
        return self.add(f"F.linear({{0}}, self.{name})", (v,), (n,))

    def vector(self, n: int) -> str:
        """A parameter [n], perhaps one that is there."""
        known = [name for name, text in self.made.items() if text == f"fresh({n})"]
        if known and self.rng.random() < 0.6:
            return self.rng.choice(known)
        name = f"b{len(self.made)}"
        self.made[name] = f"fresh({n})"
        return name

    def fitted(self, v: int, shape: Shape) -> int:
        """Some value of this shape made of v."""
        if self.shape(v) == shape:
            return v
        size, n = math.prod(self.shape(v)), math.prod(shape)
        if len(self.shape(v)) != 1:
            v = self.add("{0}.flatten(1)", (v,), (size,))
        how = self.rng.choice(["linear", "linear", "cut", "mean"])
        if how == "cut" and size >= n:
            start = self.rng.randint(0, size - n)
            v = self.add(f"{{0}}[:, {start}:{start + n}]", (v,), (n,)) if size > n else v
        elif how == "cut":
            zeros = f"{{0}}.new_zeros({{0}}.shape[0], {n - size})"
            v = self.add(f"torch.cat([{{0}}, {zeros}], -1)", (v,), (n,))
        elif how == "mean":
            v = self.add(f"{{0}}.mean(-1, keepdim=True) + self.{self.vector(n)}", (v,), (n,))
        else:
            v = self.linear(v, n)
        if len(shape) == 1:
            return v
        sizes = ", ".join(map(str, shape))
        return self.add(f"{{0}}.reshape(-1, {sizes})", (v,), shape)


def draw_cell(seed: int, most: int = 12) -> Source:
    """The cell of a seed, of up to so many operations before what makes y and the state."""
    rng = random.Random(seed)
    # most are small; some reach beyond the panels of a product
    widths = [1, 2, 3, 4, 5, 6] if rng.random() < 0.85 else [1, 3, 16, 17, 33, 40]
    n = rng.choice(widths[1:])
    x: Shape = (rng.choice([n, n, *widths]),)
    kinds: list[Shape] = [(n,), (n,), (n,), (rng.choice(widths),), (2, 3), (n, 2), (1,)]
    states = tuple(rng.choice(kinds) for _ in range(rng.choice([1, 1, 1, 2, 2, 3])))
    draft = Draft(rng, x, states)
    for _ in range(rng.randint(1, most)):
        rng.choices(list(OPERATIONS), list(OPERATIONS.values()))[0](draft)
    after = tuple(draw_after(draft, i) for i in range(len(states)))
    ys = tuple(draw_y(draft, after) for _ in range(rng.choice([1, 1, 1, 1, 2, 3])))
    source = Source(x, states, tuple(draft.made.items()), tuple(draft.lines), ys, after, seed)
    return without_dead(source)


def draw_after(draft: Draft, i: int) -> int:
    """The new value of a leaf of the state: mostly something bounded, sometimes anything."""
    rng, shape, given = draft.rng, draft.states[i], len(draft.states)
    chance = rng.random()
    if chance < 0.08:
        return 1 + i  # it passes through
    if chance < 0.16:
        others = [1 + j for j in range(given) if draft.states[j] == shape]
        return rng.choice(others)  # a delay, or leaves that swap
    if chance < 0.2 and draft.x == shape:
        return 0
    # what was made last is what the cell is about
    v = draft.fitted(draft.count - 1 if rng.random() < 0.6 else draft.like(1 + i), shape)
    if chance < 0.45:
        return draft.add("torch.tanh({0})", (v,), shape)
    if chance < 0.6:
        return draft.add("0.5 * {0} + torch.tanh({1})", (1 + i, v), shape)
    if chance < 0.7:
        return draft.add("torch.sigmoid({1}) * {0} + 0.1 * torch.sin({1})", (1 + i, v), shape)
    if v in range(1 + given):
        return v
    return draft.add("torch.tanh({0}) * 0.9", (v,), shape)


def draw_y(draft: Draft, after: tuple[int, ...]) -> int:
    """What the step gives."""
    rng = draft.rng
    chance = rng.random()
    old = rng.randint(1, len(draft.states))
    if chance < 0.25:
        return rng.choice(after)
    if chance < 0.35:
        return old
    if chance < 0.38:
        return 0
    if chance < 0.5:
        new = rng.choice(after)
        joined = draft.fitted(old, draft.shape(new))
        how = rng.choice(["{0} * {1}", "{0} - {1}", "{0} + {1}", "{1} / (1 + {0} * {0})"])
        return draft.add(how, (new, joined), draft.shape(new))
    if chance < 0.6 and len(draft.shape(old)) == 1:
        return draft.linear(old, rng.choice([1, 2, 5]))
    v = draft.pick()
    assert v is not None
    return v


def unary(draft: Draft) -> None:
    texts = [
        "torch.tanh({0})", "torch.sigmoid({0})", "F.relu({0})", "F.softplus({0})", "-{0}",
        "torch.sin({0})", "torch.exp(-{0} * {0})", "F.gelu({0})", "F.silu({0})", "1 - {0}",
        "F.leaky_relu({0}, 0.2)", "F.elu({0})", "{0}.abs()", "{0} ** 2", "0.5 * {0}",
        "{0}.clamp(-0.5, 0.4)", "F.hardtanh({0})", "torch.sqrt({0}.abs() + 0.1)",
        "{0}.detach()", "{0}.clone()", "torch.log1p({0} * {0})", "F.logsigmoid({0})",
        "torch.where({0} > 0.1, {0}, 0.2 * {0})", "{0}.masked_fill({0} > 0.5, 0.3)",
        "({0} * 1.5).add_(0.1)", "{0}.clone().mul_({0})", "(-{0}).tanh_()", "{0} + {0}",
        "({0} + 0.2).clamp_(-0.7, 0.7).sigmoid_()", "{0} * {0}.detach()", "F.mish({0})",
        "({0} > 0) * {0}", "({0} > 0).to({0}.dtype)", "torch.ones_like({0}) - {0}",
        "F.softsign({0})", "torch.cos({0}) * 0.5", "{0} / 3 + {0}.floor().detach() * 0.01",
    ]  # fmt: skip
    v = draft.pick()
    assert v is not None
    draft.add(draft.rng.choice(texts), (v,), draft.shape(v))


def binary(draft: Draft) -> None:
    texts = [
        "{0} + {1}", "{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} * {1}", "torch.maximum({0}, {1})",
        "torch.minimum({0}, {1})", "{0} / (1 + {1} * {1})", "torch.sigmoid({0}) * {1}",
        "torch.lerp({0}, {1}, 0.3)", "torch.addcmul({0}, {1}, {1}, value=0.5)", "{0} + {1} + {0}",
        "torch.where({0} > {1}, {0}, {1} * 0.5)", "torch.add({0}, {1}, alpha=0.5)",
        "({0} * 2).sub_({1})", "{0} + 0.5 * ({1} - {0})", "torch.sub({0}, {1}, alpha=2)",
    ]  # fmt: skip
    a = draft.pick()
    assert a is not None
    b = draft.like(a)
    draft.add(draft.rng.choice(texts), (a, b), draft.shape(a))


def product(draft: Draft) -> None:
    draft.linear(draft.flat(), draft.rng.choice([draft.states[0][0], 3, 4, 6]))


def sum_of_products(draft: Draft) -> None:
    """What a gate is: products of several things in one sum, biases and all."""
    rng, n = draft.rng, draft.rng.choice([draft.states[0][0], 4])
    total = draft.linear(draft.flat(), n)
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.25:
            total = draft.add(f"{{0}} + self.{draft.vector(n)}", (total,), (n,))
        else:
            total = draft.add("{0} + {1}", (total, draft.linear(draft.flat(), n)), (n,))
    draft.add(rng.choice(["torch.tanh({0})", "torch.sigmoid({0})", "{0}"]), (total,), (n,))


def tied(draft: Draft) -> None:
    """A weight and its transpose."""
    v = draft.flat()
    k = draft.shape(v)[0]
    weights = [name for name, text in draft.made.items() if text == f"fresh({k}, {k})"]
    if not weights:
        weights = [f"m{len(draft.made)}"]
        draft.made[weights[0]] = f"fresh({k}, {k})"
        draft.sizes[weights[0]] = (k, k)
    w = f"self.{weights[0]}"
    texts = [f"{{0}} @ {w}.T", f"{{0}} @ {w} @ {w}.T", f"{{0}} @ ({w} - {w}.T)", f"{{0}} @ {w}"]
    draft.add(draft.rng.choice(texts), (v,), (k,))


def vectors(draft: Draft) -> None:
    """Parameters [n] that are added or multiplied."""
    v = draft.flat()
    n = draft.shape(v)[0]
    b, c = draft.vector(n), draft.vector(n)
    texts = [
        f"{{0}} + self.{b}", f"{{0}} * self.{b}", f"{{0}} + self.{b} + self.{b}",
        f"{{0}} * torch.sigmoid(self.{b})", f"torch.tanh({{0}} * self.{b} + self.{c})",
        f"self.{b}.expand_as({{0}}) * {{0}}", f"torch.lerp({{0}}, self.{b}.expand_as({{0}}), 0.2)",
    ]  # fmt: skip
    draft.add(draft.rng.choice(texts), (v,), (n,))


def cut(draft: Draft) -> None:
    """Slices of a vector."""
    v = draft.flat()
    n = draft.shape(v)[0]
    start = draft.rng.randint(0, n - 1)
    stop = draft.rng.randint(start + 1, n)
    draft.add(f"{{0}}[:, {start}:{stop}]", (v,), (stop - start,))
    if draft.rng.random() < 0.5:
        inner = draft.rng.choice(["torch.tanh({0})", "{0} * {0}", "{0}"])
        draft.add(inner, (draft.count - 1,), (stop - start,))


def turned(draft: Draft) -> None:
    """Other orders of the same entries."""
    v = draft.flat()
    n = draft.shape(v)[0]
    texts = ["{0}.flip(-1)", f"{{0}}.roll({draft.rng.randint(-3, 3)}, -1)"]
    if n % 2 == 0:
        texts += [
            "torch.cat([{0}[:, ::2], {0}[:, 1::2]], -1)",
            "torch.cat({0}.chunk(2, -1)[::-1], -1)",
            f"{{0}}.view(-1, 2, {n // 2}).transpose(1, 2).reshape(-1, {n})",
            f"{{0}}.view(-1, {n // 2}, 2).flip(1).flatten(1)",
        ]
    draft.add(draft.rng.choice(texts), (v,), (n,))


def joined(draft: Draft) -> None:
    """Vectors side by side, the same one twice, or with zeros."""
    rng = draft.rng
    parts = [draft.flat() for _ in range(rng.choice([1, 2, 2, 3]))]
    if rng.random() < 0.2:
        parts.append(parts[0])
    places = [f"{{{i}}}" for i in range(len(parts))]
    total = sum(draft.shape(p)[0] for p in parts)
    if len(parts) == 1 or rng.random() < 0.3:
        n = rng.randint(1, 3)
        kind = rng.choice(["new_zeros", "new_ones"])
        places.insert(rng.randint(0, len(places)), f"{{0}}.{kind}({{0}}.shape[0], {n})")
        total += n
    draft.add(f"torch.cat([{', '.join(places)}], -1)", tuple(parts), (total,))
    if total > 8:
        draft.linear(draft.count - 1, rng.choice([2, 4]))


def stacked(draft: Draft) -> None:
    """Several values on an axis of their own, and what is made of that axis."""
    rng = draft.rng
    a = draft.flat()
    parts = [a, *(draft.like(a) for _ in range(rng.choice([1, 2])))]
    n, k = draft.shape(a)[0], len(parts)
    places = ", ".join(f"{{{i}}}" for i in range(k))
    axis = rng.choice([1, 2])
    base = f"torch.stack([{places}], {axis})"
    texts = [
        f"{base}.sum({axis})", f"{base}.mean({axis})", f"{base}.amax({axis})",
        f"({base}.softmax({axis}) * {base}).sum({axis})", f"torch.logsumexp({base}, {axis})",
        f"{base}.select({axis}, {k - 1})", f"({base} * {base}.softmax({axis})).sum({axis})",
    ]  # fmt: skip
    if rng.random() < 0.3:
        draft.add(base, tuple(parts), (k, n) if axis == 1 else (n, k))
    else:
        draft.add(rng.choice(texts), tuple(parts), (n,))


def reduced(draft: Draft) -> None:
    """Sums and norms over features, and what is done with them."""
    v = draft.flat()
    n = draft.shape(v)[0]
    b = draft.vector(draft.rng.choice([n, 3]))
    m = int(draft.made[b][6:-1])
    texts: list[tuple[str, Shape]] = [
        ("{0} - {0}.mean(-1, keepdim=True)", (n,)), ("{0}.sum(-1, keepdim=True)", (1,)),
        ("{0}.softmax(-1)", (n,)), ("{0}.log_softmax(-1)", (n,)),
        (f"F.layer_norm({{0}}, ({n},))", (n,)),
        (f"{{0}}.mean(-1, keepdim=True) + self.{b}", (m,)), ("{0}.amax(-1, True)", (1,)),
        ("{0}.logsumexp(-1, keepdim=True)", (1,)), ("{0}.max(-1, keepdim=True).values", (1,)),
        (f"{{0}}.sum(-1)[:, None] * self.{b}", (m,)), ("{0}.norm(dim=-1, keepdim=True)", (1,)),
        ("{0} / ({0}.abs().sum(-1, keepdim=True) + 1)", (n,)), ("F.normalize({0}, dim=-1)", (n,)),
        ("{0} * {0}.mean(-1)[:, None]", (n,)), ("({0} * {0}).sum(-1).unsqueeze(1)", (1,)),
        ("{0}.var(-1, unbiased=False, keepdim=True) + {0}", (n,)), ("{0}.cumsum(-1)", (n,)),
        (f"{{0}}.mean(-1, keepdim=True).expand(-1, {m})", (m,)), ("{0}.amin(-1, True)", (1,)),
    ]  # fmt: skip
    if m == n:
        texts.append((f"F.layer_norm({{0}}, ({n},), self.{b})", (n,)))
    text, shape = draft.rng.choice(texts)
    draft.add(text, (v,), shape)


def matrices(draft: Draft) -> None:
    """States of rank two: outer products, what is read from a matrix, work along one axis."""
    v = draft.pick(lambda s: len(s) == 2)
    if v is None:
        a, b = draft.flat(), draft.flat()
        shape = (draft.shape(a)[0], draft.shape(b)[0])
        if math.prod(shape) <= 20:
            draft.add("{0}[:, :, None] * {1}[:, None, :]", (a, b), shape)
        return
    p, q = draft.shape(v)
    key = draft.fitted(draft.flat(), (q,))
    texts: list[tuple[str, Shape]] = [
        ("torch.bmm({0}, {1}[:, :, None])[:, :, 0]", (p,)),
        ("({0} * {1}[:, None, :]).sum(-1)", (p,)),
        ("{0}.sum(1)", (q,)), ("{0}.softmax(1)", (p, q)), ("{0}.softmax(2)", (p, q)),
        ("{0}.transpose(1, 2)", (q, p)), ("torch.einsum('bpq,bq->bp', {0}, {1})", (p,)),
        ("{0}.mean(2)", (p,)), ("{0} - {0}.mean(1, keepdim=True)", (p, q)), ("{0}[:, 0]", (q,)),
        ("{0} * {1}[:, None, :]", (p, q)), ("{0}.flatten(1)", (p * q,)), ("{0}[..., -1]", (p,)),
        ("{0} / (1 + {0}.abs().sum(1, keepdim=True))", (p, q)), ("{0}.roll(1, 1)", (p, q)),
        ("{0} + {1}.unsqueeze(1)", (p, q)), ("{0}.amax(1)", (q,)), ("{0}.flip(1)", (p, q)),
    ]  # fmt: skip
    text, shape = draft.rng.choice(texts)
    draft.add(text, (v, key), shape)


def parts(draft: Draft) -> None:
    """A vector cut into several by one operation, of which some are used."""
    v = draft.flat()
    n = draft.shape(v)[0]
    if n < 2:
        return
    first = draft.rng.randint(1, n - 1)
    texts: list[tuple[str, Shape]] = [
        (f"{{0}}.split([{first}, {n - first}], -1)[0]", (first,)),
        (f"{{0}}.split([{first}, {n - first}], -1)[1]", (n - first,)),
        ("{0}.unbind(1)[0][:, None]", (1,)), ("{0}[:, -1:] * {0}", (n,)),
        ("torch.stack({0}.unbind(1)[::-1], 1)", (n,)), ("{0}.unsqueeze(1).squeeze(1)", (n,)),
        (f"{{0}}.unfold(1, {n - 1}, 1)[:, 0]", (n - 1,)), ("F.pad({0}, (1, 0))[:, :-1]", (n,)),
        ("{0}.repeat(1, 2)", (2 * n,)), ("{0}.narrow(1, 1, 1)", (1,)),
        ("torch.cat([{0}[:, 1:], {0}[:, :1] * 0.5], -1)", (n,)),
        ("{0}.repeat_interleave(2, 1)", (2 * n,)),
    ]  # fmt: skip
    text, shape = draft.rng.choice(texts)
    draft.add(text, (v,), shape)


def behind_autograd(draft: Draft) -> None:
    """Changes that no gradient sees."""
    v = draft.pick()
    assert v is not None
    texts = [
        "passed({0})", "{0}.detach() * {0}", "{0} + ({0}.round() - {0}).detach()",
        "{0}.data * 0.5 + {0}", "F.cosine_similarity({0}, {0} + 1, dim=-1).unsqueeze(-1) * {0}",
    ]  # fmt: skip
    draft.add(draft.rng.choice(texts), (v,), draft.shape(v))


OPERATIONS: dict[Callable[[Draft], None], int] = {
    unary: 6, binary: 6, product: 5, sum_of_products: 5, tied: 1, vectors: 3, cut: 3, turned: 2,
    joined: 3, stacked: 2, reduced: 4, matrices: 3, parts: 2, behind_autograd: 1,
}  # fmt: skip
