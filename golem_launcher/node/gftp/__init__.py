"""Golem file transfer: the ``gftp`` program that yapapi starts, which publishes and receives files over the bus."""
