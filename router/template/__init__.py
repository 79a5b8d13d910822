"""Template: operator text with `{{ fields }}`, checked when the configuration loads."""
