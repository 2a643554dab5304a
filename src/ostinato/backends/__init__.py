"""How a cell is run over time: the definition (eager), torch's kernels (aten), and the choice.

A backend runs a `Call` or refuses it in words. `plan.BACKENDS` lists them; nothing else does.
"""

from ostinato.backends.base import Backend
from ostinato.backends.call import Call
from ostinato.backends.plan import BACKENDS, backend, execute

__all__ = ["BACKENDS", "Backend", "Call", "backend", "execute"]
