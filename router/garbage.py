"""Garbage: how often Python looks for cycles of dead objects, and at what.

Owns the collector's settings. Must not know what the objects are. Nothing in the path of an event makes
cycles, so what is looked at for each event is nearly always alive.
"""

import gc

# New objects after which the youngest are looked at, and how many such looks come before one at older ones.
# Python's own are 700, 10 and 10.
_THRESHOLDS = (5000, 20, 50)


def settle() -> None:
    """Sweep once, then leave alone what is there now: modules, settings and rules live as long as they count.

    To be called when what lives long has changed: after the start, after a reload.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
