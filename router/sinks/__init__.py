"""Sinks: an Event to a Request, and its answer to an Outcome; one destination per file, all in one table."""
