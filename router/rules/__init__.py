"""Rules: "events like this go to these sinks", compiled once per load and evaluated without I/O."""
