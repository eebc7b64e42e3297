"""The provider's half of saving: lists the workspace, hands out chunks, restores files. Plain Python 3.9+."""
