"""Parameters of models made with Torch7's ``rnn``, the ``lstm`` rock, nngraph, or MinPy.

Old files are read with whatever reads them (such as the torchfile package); what counts here is
the list of tensors of ``module:parameters()``, in its order::

    cell = torch7.load(cells.GRU(3, 4, reset="before"), tensors, "nn.GRU")

`LAYOUTS` knows these orders, by the old class. Torch's ``Linear``, ``LookupTable``, ``Recurrent``
and ``Recurrence`` need no layout: their parameters stand as ours do.
"""

from ostinato.torch7.convert import convert, export, load
from ostinato.torch7.layouts import LAYOUTS

__all__ = ["LAYOUTS", "convert", "export", "load"]
