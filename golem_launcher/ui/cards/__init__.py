"""The session cards: stages, money, time, log, downloads, ways in, and their buttons."""
