"""A local network, and the kernel installed where the tests' Jupyter finds it."""

import os

import pytest
from jupyter_client.manager import start_new_kernel

from golem_launcher.kernel import kernelspec
from golem_launcher.market import history
from tests.kernel.cells import Notebook
from tests.networks import fork_supervisors, own_network
from tests.patience import slower
from tests.session import providers

_NETWORK = """
runtime = "auto"
debit_note_interval = 3
terminate_seconds = 0

[[provider]]
name = "first"
memory_gib = 1.5
price_hour = 0.02

[[provider]]
name = "second"
memory_gib = 1.5
price_hour = 0.03

[[provider]]
name = "third"
memory_gib = 1.5
price_hour = 0.04

[[provider]]
name = "with-gpu"
memory_gib = 0.4
price_hour = 0.5
gpu = { model = "NVIDIA L4", memory_gib = 24 }
"""


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    """Jupyter's own directories, with the kernel in them."""
    home = tmp_path_factory.mktemp("jupyter")
    places = {"JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config"}
    settings = {name: str(home / place) for name, place in places.items()} | {"IPYTHONDIR": str(home / "ipython")}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    kernelspec.install()
    yield home
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    with own_network(tmp_path_factory.mktemp("launcher"), _NETWORK) as network:
        fork_supervisors()
        yield network


@pytest.fixture
def lose(network):
    """Takes the present provider from a session: the provider terminates the agreement."""
    keys = providers.keys(network, _NETWORK.count("[[provider]]"))
    return lambda directory: providers.terminate(network, keys, directory.state().head)


@pytest.fixture
def open_notebook(jupyter, network, tmp_path):  # noqa: ARG001 - both must be there
    """Starts kernels in a folder of their own, and ends them after the test."""
    opened = []
    history.forget()

    def start(name="golem"):
        notebook = Notebook(
            *start_new_kernel(startup_timeout=180 * slower(), kernel_name=name, cwd=str(tmp_path)), tmp_path
        )
        opened.append(notebook)
        return notebook

    yield start
    for notebook in opened:
        notebook.close()


@pytest.fixture
def notebook(open_notebook):
    """One that is connected to nobody."""
    return open_notebook()


@pytest.fixture(scope="module")
def connected(jupyter, network, tmp_path_factory):  # noqa: ARG001
    """One that is connected, for all tests of a module that leave it so."""
    history.forget()
    folder = tmp_path_factory.mktemp("notebook")
    notebook = Notebook(*start_new_kernel(startup_timeout=180 * slower(), kernel_name="golem", cwd=str(folder)), folder)
    notebook.connect()
    yield notebook
    notebook.close()
