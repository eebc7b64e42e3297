"""A store: generations of workspaces, as manifests and packs of chunks. The word for it everywhere is "store"."""
