"""Makes commands that build JupyterLab's pages fail at once, with the reason, where they can't succeed.

Without Node.js, and after five minutes without npm's registry, they fail with advice on memory that helps nobody.
"""

from __future__ import annotations

import contextlib
import os

_REFUSAL = """\
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request


def lacking():
    if shutil.which("node") is None:
        return "this session has no Node.js"
    asked = subprocess.run(["jlpm", "config", "get", "npmRegistryServer"], capture_output=True, text=True)
    registry = asked.stdout.strip() or "https://registry.yarnpkg.com"
    try:
        urllib.request.urlopen(registry, timeout=10).close()
    except urllib.error.HTTPError:
        pass
    except (OSError, ValueError) as error:
        if not isinstance(getattr(error, "reason", None), ssl.SSLError):  # yarn has certificates of its own
            return f"this session does not reach npm's registry, {registry}"
    return ""


"""
_WHEN = {
    "JupyterLab_config.py": "reason = lacking()\n",
    "lab_config.py": 'reason = lacking() if sys.argv[1:2] in (["install"], ["update"], ["link"]) else ""\n',
}
"""Configurations of ``jupyter lab build``, which asks for one by its title, and of ``jupyter labextension``.

The Lab itself reads ``jupyter_lab_config.py``.
"""
_END = """
if reason:
    raise SystemExit(
        f"Nothing was built: {reason}. Extensions need no build any more: pip install the extension, "
        "and reload JupyterLab's page."
    )
"""


def prepare(directory: str) -> None:
    """Put the refusals where Jupyter's commands look, for the Lab's terminals and for ssh. Changes this environment."""
    with contextlib.suppress(OSError):  # no Lab hangs on it
        os.makedirs(directory, exist_ok=True)
        for name, when in _WHEN.items():
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(_REFUSAL + when + _END)
    paths = (directory, os.environ.get("JUPYTER_CONFIG_PATH", ""))
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
