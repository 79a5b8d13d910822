"""visual-router: webhooks of visual-testing providers in, the right sinks out, nothing lost.

Start reading at `app.py`, the composition root; then `intake.py` (the accept path) and
`dispatch/dispatcher.py` (the deliver path). The two meet only in the journal.
"""

__version__ = "0.1.0"
