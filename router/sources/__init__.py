"""Sources: bytes from a provider to an Event; one provider per file, all of them in one table."""
