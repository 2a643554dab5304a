"""Functions of features [B, 6] that the compiler must know, by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Function = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Function] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "celu": F.celu,
    "gelu": F.gelu,
    "gelu tanh": lambda t: F.gelu(t, approximate="tanh"),
    "silu": F.silu,
    "softplus": F.softplus,
    "softplus beta": lambda t: F.softplus(t, 2.0, 1.0),
    "hardtanh": F.hardtanh,
    "relu6": F.relu6,
    "hardsigmoid": F.hardsigmoid,
    "hardswish": F.hardswish,
    "mish": F.mish,
    "logsigmoid": F.logsigmoid,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "softshrink": F.softshrink,
    "threshold": lambda t: F.threshold(t, 0.1, 0.3),
    "prelu": lambda t: F.prelu(t, t.new_full((1,), 0.2)),
    "glu": lambda t: F.glu(torch.cat([t, t * 2], -1)),
}
ARITHMETIC: dict[str, Function] = {
    "abs": torch.abs,
    "sqrt": lambda t: torch.sqrt(t.abs() + 0.1),
    "rsqrt": lambda t: torch.rsqrt(t.abs() + 0.1),
    "log": lambda t: torch.log(t.abs() + 0.1),
    "log1p": lambda t: torch.log1p(t.abs()),
    "exp": torch.exp,
    "expm1": torch.expm1,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "square": torch.square,
    "power 2": lambda t: t**2,
    "power 3": lambda t: t**3,
    "power 2.5": lambda t: (t.abs() + 0.1) ** 2.5,
    "power -1": lambda t: (t.abs() + 0.3) ** -1,
    "two to the": lambda t: 2**t,
    "quotient": lambda t: 1 / (t.abs() + 0.3),
    "maximum": lambda t: torch.maximum(t, t * t),
    "minimum": lambda t: torch.minimum(t, -t),
    "clamp": lambda t: t.clamp(-0.3, 0.4),
    "clamp min": lambda t: t.clamp(min=0.1),
    "clamp max": lambda t: t.clamp(max=0.1),
    "where": lambda t: torch.where((t > 0) & (t < 0.5) | ~(t > -1), t, t * t),
    "masked_fill": lambda t: t.masked_fill(t > 0.2, 0.5),
    "mask product": lambda t: (t > 0.1) * t + (t.ge(0.2) ^ t.le(0.4)).to(t.dtype) * t * t,
    "lerp": lambda t: torch.lerp(t, t * t, 0.3),
    "lerp tensor": lambda t: torch.lerp(t, t * t, t.sigmoid()),
    "addcmul": lambda t: torch.addcmul(t, t, t, value=0.5),
    "addcdiv": lambda t: torch.addcdiv(t, t, t.abs() + 1, value=0.5),
    "add alpha": lambda t: torch.add(t, t * t, alpha=0.3) - torch.sub(t, 2, alpha=0.5),
    "sign": lambda t: t * t.sign().detach() + t.floor() * 0.1,
    "detach": lambda t: t * t.detach(),
    "scalars": lambda t: 1 - (2 * t + 0.5) / 3 - t,
}
FEATURES: dict[str, Function] = {
    "softmax": lambda t: t.softmax(-1),
    "log_softmax": lambda t: t.log_softmax(-1),
    "logsumexp": lambda t: t - t.logsumexp(-1, keepdim=True),
    "mean": lambda t: t - t.mean(-1, keepdim=True),
    "sum": lambda t: t.sum(-1)[:, None] * t,
    "var": lambda t: t / (1 + t.var(-1, keepdim=True)),
    "std": lambda t: t / (1 + t.std(-1, keepdim=True)),
    "norm": lambda t: F.normalize(t, dim=-1),
    "amax": lambda t: t - t.amax(-1, keepdim=True),
    "max": lambda t: t - t.max(-1, keepdim=True).values,
    "min": lambda t: t - t.min(-1, keepdim=True).values,
    "layer_norm": lambda t: F.layer_norm(t, (6,)),
    "group_norm": lambda t: F.group_norm(t, 2),
    "rms_norm": lambda t: F.rms_norm(t, (6,)),
    "groups": lambda t: (t.view(-1, 2, 3) - t.view(-1, 2, 3).mean(-1, keepdim=True)).flatten(1),
    "other axis": lambda t: (
        t.view(-1, 2, 3) / (1 + t.view(-1, 2, 3).abs().sum(1, keepdim=True))
    ).flatten(1),
    "softmax over": lambda t: t.view(-1, 2, 3).softmax(1).reshape(-1, 6),
}
LAYOUT: dict[str, Function] = {
    "flip": lambda t: t.flip(-1) * t,
    "roll": lambda t: t.roll(2, -1) * t,
    "chunk": lambda t: torch.cat([t.chunk(2, -1)[0] * t.roll(1, -1).chunk(2, -1)[1], t[:, :3]], -1),
    "transpose": lambda t: (t.view(-1, 2, 3).transpose(1, 2) * 2).reshape(-1, 6).sigmoid() * t,
    "stack": lambda t: torch.stack([t, t * t], 1).mean(1),
    "stack last": lambda t: torch.stack([t, t * t], -1).flatten(1)[:, 3:9],
    "step slice": lambda t: torch.cat([t[:, ::2], t[:, 1::2]], -1),
    "repeat": lambda t: t[:, :3].repeat(1, 2),
    "select": lambda t: t / 6 + t[:, 0:1] + t[:, 2].unsqueeze(1),
    "expand": lambda t: t[:, :1].expand(-1, 6) * t,
    "outer": lambda t: torch.einsum("bi,bij->bj", t, t[:, :, None] * t[:, None, :]),
    "bmm": lambda t: torch.bmm(t.view(-1, 2, 3), t.view(-1, 3, 2)).flatten(1).repeat(1, 2)[:, :6],
    "zeros": lambda t: torch.cat([t[:, :3], torch.zeros(t.shape[0], 3, dtype=t.dtype)], -1),
    "ones": lambda t: torch.ones_like(t) - t,
    "in place": lambda t: (t * 2).add_(1).mul_(t),
    "overlap": lambda t: torch.cat([t[:, :4] * 2 + t[:, 2:], t[:, :2]], -1),
}  # fmt: skip
GROUPS = {
    "activations": ACTIVATIONS,
    "arithmetic": ARITHMETIC,
    "features": FEATURES,
    "layout": LAYOUT,
}
