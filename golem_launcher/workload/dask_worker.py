"""A machine of a session's Dask cluster. The agent starts Dask beside this workload once it knows its scheduler."""

from __future__ import annotations

from golem_launcher.workload.base import PYTHON, Workload

DASK_WORKER = Workload(
    name="dask-worker",
    title="Dask worker",
    needs="dask.distributed unless the session may reach packages",
    argv=(PYTHON, "-c", "import signal; signal.pause()"),
    endpoints=(),
)
"""Not registered: no request names it, a session has it for ``workers``."""
