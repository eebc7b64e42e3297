"""A kernel on a provider, for any Jupyter, VS Code or papermill of this computer.

A process that clients start as any kernel (``python -m golem_launcher.kernel -f CONNECTION_FILE``). It answers some
commands by itself (``%connect``, ``%status``, …), connected or not; all else is for a kernel of a session's Jupyter, to
which messages are passed on as they are.
"""
