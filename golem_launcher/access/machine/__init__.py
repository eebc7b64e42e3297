"""From this side to one machine of a session: TCP through Golem's VPN, and HTTP with what listens over there."""
