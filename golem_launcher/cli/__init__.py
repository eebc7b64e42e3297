"""The command line, ``golem-launcher``."""
