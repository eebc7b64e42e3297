"""A session's business with its node: money set aside, bills checked and paid, every id on disk, all given back."""
