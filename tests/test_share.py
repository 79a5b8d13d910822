"""Share: what one router of several may use of a limit."""

from hypothesis import given
from hypothesis import strategies as st

from router.share import ALONE, Share


def test_a_router_alone_has_everything() -> None:
    """Nothing is divided by one."""
    assert ALONE.slots(16) == 16


@given(st.integers(1, 500), st.integers(1, 256))
def test_all_shares_together_are_the_limit(concurrency: int, routers: int) -> None:
    """Unless there are more routers than slots: then each has one."""
    slots = [Share(rank, routers).slots(concurrency) for rank in range(routers)]

    assert sum(slots) == max(concurrency, routers)
    assert max(slots) - min(slots) <= 1
