"""A private chain under the local network: its node, its token, and yagna's payment driver for it."""
