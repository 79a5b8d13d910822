"""Admin: what operators ask of a running daemon, over HTTP; one concern per file."""
