"""The archive: equal bytes for equal sources, and nothing in it that an image with JupyterLab lacks."""

import ast
import hashlib
import io
import subprocess
import sys
import zipfile

import pytest

from golem_launcher.workload.archive import agent_archive, compiled_agent_archive

_THERE = {"jupyter_server", "jupyterlab", "nbformat", "tornado", "traitlets", *sys.stdlib_module_names}


def _sources():
    with zipfile.ZipFile(io.BytesIO(agent_archive())) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_equal_bytes_in_every_process():
    script = (
        "import hashlib; from golem_launcher.workload.archive import agent_archive;"
        "print(hashlib.sha256(agent_archive()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(agent_archive()).hexdigest()


def test_it_is_small():
    assert len(agent_archive()) < 190_000


@pytest.mark.parametrize("name", sorted(_sources()))
def test_plain_python_and_imports_nothing_of_ours(name):
    tree = ast.parse(_sources()[name], feature_version=(3, 9))
    imported = {
        module.partition(".")[0]
        for node in ast.walk(tree)
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    only = {
        "__main__.py": {"golem_launcher_agent"},
        "golem_launcher_agent/python_ssh.py": {"asyncssh"},
        "golem_launcher_agent/lab.py": {"jupyter_core"},  # which JupyterLab brings
        "golem_launcher_agent/late_extensions.py": {"jupyter_lsp"},
        "golem_launcher_agent/task_values.py": {"pandas", "pyarrow"},  # for values that are theirs
        "golem_launcher_agent/brought/cluster.py": {"distributed"},  # for notebooks, which have it
    }
    assert imported <= _THERE | only.get(name, set())


def test_bytecode_is_what_this_python_runs(tmp_path):
    archive = tmp_path / "agent.pyz"
    archive.write_bytes(compiled_agent_archive())
    script = (
        f"import sys; sys.path.insert(0, {str(archive)!r}); from golem_launcher_agent import process_manager;"
        "print(process_manager.__cached__, process_manager.__file__)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"{archive}/golem_launcher_agent/process_manager.pyc"] * 2
