"""Sent into the provider: starts JupyterLab next to it. Plain Python 3.9+, imports nothing of ours."""
