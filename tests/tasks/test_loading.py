"""What a job loads before it asks for its machines."""

import subprocess
import sys

from tests.patience import slower


def test_a_job_asks_for_machines_before_it_loads_what_talks_to_them():
    program = (
        "import golem_launcher.cli.jobs.job_view, golem_launcher.cli.jobs.run, golem_launcher.tasks.executor, sys\n"
        "from golem_launcher.tasks import attempts, job, record, result_files, runner, spending\n"
        "print([name for name in ('aiohttp', 'yapapi', 'numpy', 'flatbuffers') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120 * slower(), check=True
    )

    assert done.stdout.strip() == "[]"
