"""Saving and restoring: what a session writes, kept on the user's side.

``manifest`` says what a saved state (a generation) is and refuses hostile ones; ``store`` keeps generations;
``packs`` keeps their chunks; ``locations`` is where both lie; ``sealing`` encrypts; ``retention`` forgets;
``extract`` and ``results`` bring files back out.
"""
