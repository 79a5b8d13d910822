"""What tells two configurations apart, in the words of the YAML."""

from router.config.schema import Config


def differences(old: Config, new: Config) -> tuple[list[str], list[str]]:
    """What a reload changed, and what of it takes effect only after a restart, in the words of the YAML."""
    changed = [
        f"{section}.{name}"
        for section, before, after in (
            ("sources", old.sources, new.sources),
            ("sinks", old.sinks, new.sinks),
        )
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
    if old.matcher.digest != new.matcher.digest:
        changed.append("rules")
    restart = [
        f"{section}.{field}"
        for section, before, after in (
            ("server", old.server, new.server),
            ("journal", old.journal, new.journal),
        )
        for field in before.__struct_fields__
        if getattr(before, field) != getattr(after, field)
    ]
    return changed, restart
