"""What notebooks and the Lab find of the session's Dask cluster: a module, and Dask's configuration in the environment.

The module is ``golem_launcher.cluster``, of the launcher that one alone. By the configuration dask-labextension, where
it is installed, lists the session's cluster from its start and makes no other; a client that is made with the
scheduler's address alone has the session's certificates; and links to Dask's own pages lead through the Lab.
"""

from __future__ import annotations

import os
import pkgutil
import sys
from typing import TYPE_CHECKING

from . import cluster_control, dask_process

if TYPE_CHECKING:
    from .config import Config

_LISTED = "[{'name': 'Golem'}]"
"""As Dask reads variables of the environment: Python's literals."""


def bring(config: Config) -> None:
    """To be called before JupyterLab is imported. Changes this environment. Raises ``OSError``."""
    modules = os.path.join(os.path.dirname(config.log), "modules")
    package = os.path.join(modules, "golem_launcher")
    os.makedirs(package, exist_ok=True)
    source = pkgutil.get_data(__package__, "brought/cluster.py") or b""
    for name, data in (("__init__.py", b""), ("cluster.py", source)):
        with open(os.path.join(package, name), "wb") as file:
            file.write(data)
    sys.path.append(modules)  # for the Lab itself, which is running already
    places = filter(None, (modules, os.environ.get("PYTHONPATH")))
    os.environ["PYTHONPATH"] = os.pathsep.join(places)
    host = f"[{config.hosts[0]}]" if ":" in config.hosts[0] else config.hosts[0]
    os.environ[cluster_control.ADDRESS_VARIABLE] = f"http://{host}:{config.server_port}/workers"
    os.environ[cluster_control.TOKEN_VARIABLE] = cluster_control.notebook_token(config.token)
    os.environ[cluster_control.LINK_VARIABLE] = f"{config.base_url}proxy/{dask_process.DASHBOARD_PORT}/status"
    for name, value in _of_dask(config).items():
        os.environ.setdefault(f"DASK_{name}", value)


def _of_dask(config: Config) -> dict[str, str]:
    """Settings of Dask's, by the names of their variables."""
    own, authority, key = (
        os.path.join(config.cluster, name) for name in (dask_process.CERTIFICATE, dask_process.CA, dask_process.KEY)
    )
    return {
        "LABEXTENSION__FACTORY__MODULE": "golem_launcher.cluster",
        "LABEXTENSION__FACTORY__CLASS": "GolemCluster",
        "LABEXTENSION__INITIAL": _LISTED,
        "DISTRIBUTED__DASHBOARD__LINK": f"{config.base_url}proxy/{{port}}/status",
        "DISTRIBUTED__COMM__TLS__CA_FILE": authority,
        "DISTRIBUTED__COMM__TLS__CLIENT__CERT": own,
        "DISTRIBUTED__COMM__TLS__CLIENT__KEY": key,
    }
