"""What runs at a provider: what is sent there, how it is started, when it is ready, what its end means."""
