"""Garbage: how often Python looks for cycles of dead objects, and at what; what becomes of freed memory.

Owns the settings of the collector and of the allocator. Must not know what the objects are. Nothing in the
path of an event makes cycles, so what is looked at for each event is nearly always alive.
"""

import ctypes
import gc

# New objects after which the youngest generation is looked at, and how many such looks come before one at the
# next generation. Python's own are 700, 10 and 10.
_THRESHOLDS = (5000, 20, 50)
# Of mallopt(3): numbers of its settings, and bytes. A block from that size on is memory of its own; one read
# from a socket, of which there are many, is smaller.
_TRIM, _MAP = -1, -3
_SLACK, _BLOCK = 4 << 20, 512 << 10


def give_back() -> bool:
    """Have large blocks given back to the system when they are freed; False: the C library cannot.

    glibc begins so, but takes the first large block that is freed for a reason to keep such blocks from then
    on: the bodies of a flood would leave a heap full of holes, larger than all that was ever held at once.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    # Both: to set one stops the other from adapting itself, too.
    return option is not None and all(option(*each) for each in ((_MAP, _BLOCK), (_TRIM, _SLACK)))


def settle() -> None:
    """Sweep once, then leave alone what is there now: modules, settings and rules live as long as they count.

    To be called when what lives long has changed: after the start, after a reload.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
