"""Golem Launcher: a full JupyterLab on a provider of the Golem network, from a form."""
