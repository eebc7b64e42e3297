"""Workloads: the programs that a session can run at a provider, each described by one value."""
