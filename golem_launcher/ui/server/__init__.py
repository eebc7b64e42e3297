"""What serves the page: our own server, or what lets another's (a hub's, Binder's) show it."""
