"""The market before a session: what is on offer, what of it fits, what it costs, whom to avoid; and the wallet."""
