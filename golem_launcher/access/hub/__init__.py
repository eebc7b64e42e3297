"""A session as the server of a hub's user: by a gate before it, or shown under the hub's own address."""
