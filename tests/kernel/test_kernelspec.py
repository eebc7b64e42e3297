"""The kernel as Jupyter's programs find it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import KernelSpecManager

from golem_launcher import paths
from golem_launcher.errors import RequestError
from golem_launcher.kernel import kernelspec
from golem_launcher.request import parse_request
from tests.patience import slower

pytestmark = pytest.mark.usefixtures("jupyter")


def _run(*arguments, module="golem_launcher.cli"):
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, timeout=60 * slower(), check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_it_is_installed_listed_and_removed(tmp_path):
    code, said, _ = _run("install", "--name", "golem-other", module="golem_launcher.kernel")
    assert (code, "golem-other" in said) == (0, True)
    code, said, _ = _run("kernel", "list", "--json")
    listed = {one["name"]: one for one in json.loads(said)}
    assert set(listed) >= {"golem", "golem-other"}
    spec = KernelSpecManager().get_kernel_spec("golem-other")
    assert spec.metadata["debugger"]
    assert spec.metadata["supported_features"] == ["kernel subshells"]
    assert spec.argv[:4] == [sys.executable, "-P", "-m", "golem_launcher.kernel"]
    assert spec.interrupt_mode == "message"
    assert Path(spec.resource_dir, "logo-svg.svg").exists()
    code, said, _ = _run("kernel", "uninstall", "--name", "golem-other")
    assert code == 0
    assert "golem-other" not in kernelspec.installed()
    code, _, said = _run("kernel", "uninstall", "--name", "python3")
    assert (code, "No kernel of Golem Launcher" in said) == (2, True)
    code, _, _ = _run("kernel", "install", "--prefix", str(tmp_path))
    assert code == 0
    assert (tmp_path / "share/jupyter/kernels/golem/kernel.json").exists()


def test_a_request_is_a_part_of_it(jupyter):
    request = parse_request({"budget": "0.5", "memory_gib": 1})
    place = kernelspec.install(name="golem-small", request=request, on_shutdown="leave-running")
    described = json.loads((place / "kernel.json").read_bytes())
    assert described["argv"][-4:] == ["--request", "{resource_dir}/request.yaml", "--on-shutdown", "leave-running"]
    assert "budget: 0.5" in (place / "request.yaml").read_text()
    assert kernelspec.installed()["golem-small"]["request"] == str(place / "request.yaml")
    assert jupyter in place.parents
    kernelspec.uninstall("golem-small")


def test_a_name_that_can_not_be_is_refused():
    with pytest.raises(RequestError):
        kernelspec.install(name="two words/")


def test_its_argv_alone_starts_it_from_another_environment(tmp_path):
    """As VS Code does, which knows no provisioners and no ``JPY_PARENT_PID``, and has its own Python on the path.

    The notebook's folder, into which a provider's files come, is no place from which it imports.
    """
    for name in ("golem_launcher", "argparse", "zmq", "jupyter_client", "getpass"):
        (tmp_path / f"{name}.py").write_text("open('it-ran', 'w').close()\n")
    described = json.loads(Path(kernelspec.installed()["golem"]["directory"], "kernel.json").read_bytes())
    assert "kernel_provisioner" not in described["metadata"]
    file, _ = write_connection_file(str(tmp_path / "kernel-v2-1.json"), key=b"a key")
    argv = [word.replace("{connection_file}", file) for word in described["argv"]]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), paths.HOME_VARIABLE: str(tmp_path / "home")}
    with subprocess.Popen(argv, cwd=tmp_path, env=environment) as process:
        client = BlockingKernelClient(connection_file=file)
        client.load_connection_file()
        client.start_channels()
        try:
            client.kernel_info()
            assert client.get_shell_msg(timeout=60 * slower())["content"]["implementation"] == "golem"
            client.execute("1")
            assert "%connect" in client.get_shell_msg(timeout=60 * slower())["content"]["evalue"]
            client.shutdown()
            assert process.wait(60) == 0
            assert not (tmp_path / "it-ran").exists()
        finally:
            client.stop_channels()
            process.kill()
