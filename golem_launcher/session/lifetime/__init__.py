"""How long a session goes on: its deadline, moved or told of; and what ends it, or holds it up, before."""
