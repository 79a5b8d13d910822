"""Journal: the durable record of events, deliveries and attempts; one backend per file.

Must not know rules, sources or sinks: it stores what it is given.
"""
