"""Tasks: a machine that runs one thing after the other, as it is told. See ``agent/task_server.py``."""

from __future__ import annotations

from golem_launcher.agent.program_workload import TASKS as COMMAND
from golem_launcher.workload.base import Endpoint, Workload

TASKS = Workload(
    name="tasks",
    title="The task server",
    sentence="Machines that work off a list of tasks: golem-launcher run.",
    argv=COMMAND,
    endpoints=(Endpoint("tasks", protocol="tcp"),),
    ends_session=True,
    begins_with_one=True,
)
