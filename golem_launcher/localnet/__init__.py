"""A whole Golem network on this machine: router, two yagna daemons, providers. Useful without the launcher."""
