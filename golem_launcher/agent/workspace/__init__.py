"""The provider's side of saving: what is in the workspace, its chunks, putting it back. Plain Python 3.9+."""
