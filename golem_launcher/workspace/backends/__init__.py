"""Where the objects of a store lie: a directory, an address that fsspec understands, or Redis."""
