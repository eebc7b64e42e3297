"""The agent: runs inside the provider, next to JupyterLab.

Plain Python 3.9 or newer and its standard library (the server extension uses what JupyterLab brings). It is sent as
one file, see :mod:`golem_launcher.access.package`, and imports nothing of the launcher.
"""
