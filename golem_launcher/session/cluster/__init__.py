"""The Dask cluster of a session: how many machines it has, and how they know each other."""
