"""Commands that say what is on offer, and for how much."""
