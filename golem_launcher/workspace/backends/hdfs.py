"""Opens HDFS addresses over WebHDFS, which every name node and HttpFS gateway speaks.

No Hadoop is needed on this side.
"""

from __future__ import annotations

import getpass
import os
from typing import Any

SCHEMES = {"hdfs", "webhdfs", "swebhdfs"}
PORT = 9870
"""Of a name node's HTTP, when the address names none."""
_PORT_TLS = 9871
ADVICE = f"Check its address (with the port of the name node's HTTP, {PORT} say, not 8020) and your access to it."


def connect(url: str) -> tuple[Any, str]:
    """The file system at ``url``, and the path in it. Further settings are those of fsspec for ``webhdfs``.

    The user is the one in the address, ``HADOOP_USER_NAME``, or who runs this, as for Hadoop's own clients.
    """
    from fsspec.config import conf  # noqa: PLC0415 - most stores need none of it
    from fsspec.utils import infer_storage_options  # noqa: PLC0415

    from golem_launcher.workspace.backends.webhdfs import Hdfs  # noqa: PLC0415

    parts = infer_storage_options(url)
    safe = parts["protocol"] == "swebhdfs"
    options: dict[str, Any] = {"port": _PORT_TLS if safe else PORT, **conf.get("webhdfs", {})}
    options |= {name: parts[name] for name in ("host", "port", "password") if parts.get(name)}
    if safe:
        options["use_https"] = True
    if "username" in parts:
        options["user"] = parts["username"]
    elif not options.keys() & {"user", "token", "kerberos"}:
        options["user"] = os.environ.get("HADOOP_USER_NAME") or getpass.getuser()
    return Hdfs(**options, skip_instance_cache=True), parts["path"]
