"""The machines of a session: rented, made ready, watched, replaced when they are lost."""
