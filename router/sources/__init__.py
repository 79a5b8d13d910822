"""Sources: the providers whose webhooks are understood, each by the `type` of its section."""

from router.sources.chromatic import Chromatic
from router.sources.happo import Happo
from router.sources.percy import Percy
from router.sources.source import Source

SOURCES: dict[str, type[Source]] = {
    Chromatic.provider: Chromatic,
    Percy.provider: Percy,
    Happo.provider: Happo,
}
