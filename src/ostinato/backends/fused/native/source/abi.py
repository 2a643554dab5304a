"""The binary interface: how tables, panels and numbers lie in memory.

What compiled code reads and what Python writes agree on these numbers; both import them from here.
"""

from __future__ import annotations

SIZES = {"f4": 4, "f8": 8}
"""Bytes of a number."""

KERNEL = 2
"""What a row kernel is given: the table of addresses, and the number of rows."""

PANEL_BYTES = 64
"""Bytes of a row of a panel, in which weights are packed."""
PANEL = {kind: PANEL_BYTES // size for kind, size in SIZES.items()}
"""Columns of a panel."""

CODE = 13
"""Numbers an instruction of the time loop::

    [0, kernel, ...]
    [1, product, a, bytes, a_row, packed, c, bytes, c_row, columns, depth, accumulate, repeat]

with `a` and `c` as numbers of buffers, and bytes from the row at hand.
"""
LOOP = 9
"""Numbers of the table of a time loop::

    [steps, buffers, their table, clocks, instructions, how many, addresses, shards, next shard]
"""
BUFFER = 3
"""Numbers a buffer in that table: its address, bytes a row, and which clock counts its rows."""
SPARE = 16
"""Numbers between the addresses of one shard and the next: two threads never share a cache line."""

HEAD = 8
"""Numbers before the addresses of blocks in what a script is run with."""

RECORD, BEFORE, AFTER, ROW, CARRY, CARRY_AFTER, SHARD, COUNT = range(8)
"""The numbers of a clock, for one step and shard: seven row counters, and how many rows work."""
CLOCK = 8
"""Numbers of a clock."""

STEP = 17
"""Numbers an instruction of a single step: a function, whether it is no kernel, four places of
(slot, bytes, row) each, and three sizes."""
