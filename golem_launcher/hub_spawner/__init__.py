"""A hub for many users: JupyterHub's spawner, what its users may choose, what they may spend."""
