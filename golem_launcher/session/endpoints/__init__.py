"""How machines of a session are reached from this side, and what JupyterLab's pages are told and given."""
