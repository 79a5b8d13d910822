"""Sinks: an Event to a Request, and its answer to an Outcome; one destination per file, all in one table."""

from router.sinks.file import File
from router.sinks.log import Log
from router.sinks.sink import Sink
from router.sinks.slack import Slack
from router.sinks.webhook import Webhook

SINKS: dict[str, type[Sink]] = {
    "slack": Slack,
    "webhook": Webhook,
    "file": File,
    "log": Log,
}
