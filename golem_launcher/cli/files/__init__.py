"""Commands for files: to and from a session, and those of its saves."""
