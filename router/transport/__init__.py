"""The way out by HTTP: `transport.py` says who has which connections, the rest is how they work."""
