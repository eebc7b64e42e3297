"""Serves the page: our own server, and extensions for other servers (a hub's, Binder's)."""
