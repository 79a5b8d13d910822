"""The providers whose webhooks are understood: the `type` of a source, and the class behind it."""

from router.sources.chromatic import Chromatic
from router.sources.happo import Happo
from router.sources.percy import Percy
from router.sources.source import Source

SOURCES: dict[str, type[Source]] = {
    Chromatic.provider: Chromatic,
    Percy.provider: Percy,
    Happo.provider: Happo,
}
