"""Pictures of modules and cells: `draw`, and `draw_on_error` for what failed.

In the order of processing: ``record`` runs a module and makes a ``graph`` of it, ``labels`` names
what is in it, ``layers`` and ``arrange`` give everything a place, ``wires`` joins it, and
``render`` or ``dot`` write it down.
"""

from ostinato.drawing.draw import draw, draw_on_error
from ostinato.drawing.picture import Picture

__all__ = ["Picture", "draw", "draw_on_error"]
