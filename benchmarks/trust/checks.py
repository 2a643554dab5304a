"""Every check, in the order of the page."""

from __future__ import annotations

from benchmarks.trust import (
    caches,
    damage,
    disks,
    fuzz,
    hostile,
    kills,
    memory,
    readers,
    together,
)
from benchmarks.trust.check import Check

CHECKS: tuple[Check, ...] = (
    kills.KILLS,
    damage.FLIPS,
    damage.CUTS,
    damage.SPOILT,
    damage.EDITS,
    disks.DISKS,
    hostile.CODE,
    hostile.LINKS,
    hostile.CONFIGS,
    hostile.CONTENTS,
    caches.CACHE,
    together.THREAD,
    together.FORK,
    together.LAUNCHED,
    memory.MEMORY,
    readers.FILES,
    fuzz.FUZZ,
)
