"""The process that owns a session: from request to bill, and what it answers to meanwhile."""
