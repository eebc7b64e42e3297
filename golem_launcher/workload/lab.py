"""JupyterLab, the default workload."""

from __future__ import annotations

from golem_launcher.workload.base import Endpoint, Workload

LAB = Workload(
    name="lab",
    title="JupyterLab",
    sentence="JupyterLab in your browser.",
    needs="JupyterLab unless the session may reach packages",
    endpoints=(Endpoint("lab", protocol="lab", asks_token=True, path="/lab"),),
    probe="/api/status",
    unsaved=(".local/share/jupyter/runtime/",),
)
