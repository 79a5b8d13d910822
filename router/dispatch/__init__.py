"""The deliver path: `dispatcher.py` is its loop, from a claim over an attempt to what becomes of it."""
