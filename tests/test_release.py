"""Released from the quarantine: judged as of its receipt by what is in force today, once."""

import pytest

from router.errors import BadSignature, Undecodable, Unknown, UnknownSource
from router.secret import Secret
from router.sources.chromatic import Chromatic
from router.sources.happo import Happo
from router.units import Rate
from tests.keeping import Desk
from tests.server.edge import BODY, OPEN, SIGNED

OTHER = Happo(name="signed", secret=(Secret("env:HAPPO", "another"),))


async def test_a_wrong_secret_costs_nothing_once_it_is_right() -> None:
    """The event is received when it was received, and leaves the quarantine."""
    desk = Desk()
    await desk.use(OTHER)
    began = desk.time.wall
    refused = await desk.refused_by(OTHER, SIGNED.sign(BODY, began))
    desk.time.pass_by(5000)
    with pytest.raises(BadSignature):
        await desk.intake.release(refused, named=True)
    await desk.use(SIGNED)

    receipt = await desk.intake.release(refused, named=False)

    (event,) = desk.inbox.events
    assert (receipt.id, event.received_at, event.payload) == (event.id, began, BODY)
    assert desk.inbox.quarantined == {}
    with pytest.raises(Unknown):
        await desk.intake.release(refused, named=False)
    assert len(desk.inbox.events) == 1


async def test_a_token_is_judged_as_of_its_receipt() -> None:
    """Five minutes are long over when the operator has found the secret."""
    right = Chromatic(name="web", secret=(Secret("env:A", "right"),))
    wrong = Chromatic(name="web", secret=(Secret("env:A", "wrong"),))
    desk = Desk()
    await desk.use(wrong)
    headers = right.sign(b"{}", desk.time.wall)
    refused = await desk.refused_by(wrong, headers, b"{}")
    desk.time.pass_by(86_400)
    late = await desk.refused_by(wrong, headers, b"{}")
    await desk.use(right)

    await desk.intake.release(refused, named=False)
    with pytest.raises(BadSignature, match="too old or too new"):
        await desk.intake.release(late, named=False)
    assert len(desk.inbox.events) == 1


async def test_no_stranger_gets_in_because_a_source_became_unsigned() -> None:
    """What nobody signed wants to be named; what was verified and did not decode does not."""
    desk = Desk()
    await desk.use(SIGNED)
    forged = await desk.refused_by(SIGNED, {"X-Happo-Signature": "forged"})
    signed = await desk.refused_by(SIGNED, SIGNED.sign(b"[", desk.time.wall), b"[")
    await desk.use(Happo(name="signed", unsigned=True))

    with pytest.raises(BadSignature) as caught:
        await desk.intake.release(forged, named=False)
    assert str(caught.value) == (
        "nothing proves who sent it, as the source is unsigned now; name it by its id"
    )
    await desk.intake.release(forged, named=True)
    assert len(desk.inbox.events) == 1

    with pytest.raises(Undecodable):
        await desk.intake.release(signed, named=False)
    undecodable = await desk.refused_by(OPEN, {}, b"[")
    with pytest.raises(UnknownSource):
        await desk.intake.release(undecodable, named=False)
    await desk.use(OPEN)
    with pytest.raises(Undecodable):
        await desk.intake.release(undecodable, named=False)


async def test_the_rate_does_not_hold_up_an_operator() -> None:
    """The bucket is the senders'."""
    limited = Happo(name="signed", secret=SIGNED.secret, rate=Rate(1, 3600.0))
    desk = Desk()
    await desk.use(OTHER)
    requests = []
    for number in range(3):
        body = b'{"n": %d}' % number
        requests.append(await desk.refused_by(OTHER, SIGNED.sign(body, 0.0), body))
    await desk.use(limited)
    for refused in requests:
        await desk.intake.release(refused, named=False)

    assert len(desk.inbox.events) == 3
