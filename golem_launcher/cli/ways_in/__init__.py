"""Commands that reach a session: tunnels, a view-only link, ssh."""
