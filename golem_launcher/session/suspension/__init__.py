"""A session that its user left, and comes back to: its address, and who answers there meanwhile."""
