"""Sent into the provider, where it starts JupyterLab and looks after it. Plain Python 3.9+, imports nothing of ours.

On the other side this package is called ``golem_launcher_agent`` and lies in a zip application.
"""
