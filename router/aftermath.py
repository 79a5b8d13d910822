"""Aftermath: what a requeue, a discard or a replay came to, for a person, and what helps where it was little.

Pure. Must not know how a document was fetched or where the text goes.
"""

from router.admin.answers import Changed, Replayed
from router.columns import plural
from router.delivery import State
from router.tables import View


def requeued(document: Changed, view: View) -> str:
    """`3 deliveries requeued`, which of the named were left alone and why, and what goes on without it."""
    lines = _changed(document, "requeued", "dead")
    states = {one.state for one in document.skipped}.union(*(one.states for one in document.idle))
    if State.PENDING in states:
        lines.append(f"what is pending is tried by itself: {view.program} show ID says when")
    if State.DELIVERED in states:
        lines.append("what was delivered is not sent again")
    lines += [
        f"{view.program} replay {one.event_id} asks the rules of today"
        for one in document.idle
        if not one.states
    ]
    return "\n".join(lines)


def discarded(document: Changed, _: View) -> str:
    """`3 deliveries discarded`, and which of the named were left alone and why."""
    return "\n".join(_changed(document, "discarded", "pending"))


def replayed(document: Replayed, view: View) -> str:
    """What a replay came to, on one line; where it came to little, what helps instead."""
    number, id_ = len(document.routes), document.event_id
    if not document.routes:
        told = f"no rule of today matches; {view.program} show {id_} --now says why"
    elif not document.added:
        told = f"nothing new, {'its only route' if number == 1 else f'all {number} routes'} had a delivery"
    else:
        told = f"{plural(len(document.added), 'delivery')} added: {', '.join(document.added)}"
    if document.dead:
        told += f"; {len(document.dead):,} dead: {view.program} requeue {id_}"
    return f"{id_}: {told}"


def _changed(document: Changed, verb: str, wanted: str) -> list[str]:
    lines = [f"{plural(document.count, 'delivery')} {verb}"]
    lines += [f"{one.id} was left alone: it is {_word(one.state)}" for one in document.skipped]
    for event in document.idle:
        there = ", ".join(f"{count:,} {_word(state)}" for state, count in sorted(event.states.items()))
        told = f"no {wanted} delivery ({there})" if there else "no deliveries"
        lines.append(f"{event.event_id} was left alone: it has {told}")
    return lines


def _word(state: State) -> str:
    return state.value.replace("_", " ")
