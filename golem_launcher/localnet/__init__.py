"""A whole Golem network on this machine: hub, two yagna daemons, providers. Useful without the launcher."""
