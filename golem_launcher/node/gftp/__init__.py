"""Golem file transfer: the ``gftp`` program that yapapi starts, publishing and receiving files over the bus."""
