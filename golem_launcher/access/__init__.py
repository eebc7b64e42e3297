"""Ways in: how the Lab is reached from the user's side."""
