"""Commands of a session: start it, list, show, change and end it."""
