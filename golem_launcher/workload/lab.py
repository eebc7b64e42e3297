"""JupyterLab: the workload of a session."""

from __future__ import annotations

from golem_launcher.workload.base import Workload

LAB = Workload(name="JupyterLab", probe="/api/status", needs="JupyterLab unless the session may reach packages")
