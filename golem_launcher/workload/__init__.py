"""What can run at a provider, as values: what is started there, when it is ready, where it listens, what is saved."""
