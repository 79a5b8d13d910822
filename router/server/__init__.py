"""Server: the public HTTP edge, from the first byte of a request to its answer; one concern per file.

Must not know what an event is or where it is kept: that is the intake's.
"""
