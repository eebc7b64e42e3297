"""Hires a provider: the demand, the offers chosen from it, the agreement, and our package put to work there."""
