"""The files of a session: put there, saved while it runs, counted where they are open."""
