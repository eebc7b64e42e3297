"""Refuses the builds of itself that JupyterLab's page can ask for, and hides the offer.

Such a build would run for minutes within the Lab's server, beside everybody's kernels. Whoever has to build has
``jupyter lab build``, see lab_build_check.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import routing, web

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

_REFUSAL = (
    "Nothing was built: the pages of this session's JupyterLab start no build. Extensions need none any more: "
    "pip install the extension, and reload JupyterLab's page. For an old one there is jupyter lab build, in a terminal."
)


def refuse(server: ServerApp) -> None:
    """Come before JupyterLab's own handler, in an initialized server that is not running yet."""
    # The page then neither asks at each load whether a build is due, a second's work where Node.js is, nor offers one.
    server.web_app.settings.setdefault("page_config_data", {}).update(buildAvailable=False, buildCheck=False)
    path = routing.PathMatches(url_path_join(server.base_url, "lab", "api", "build"))
    server.web_app.default_router.rules.insert(0, routing.Rule(path, _Build))


class _Build(APIHandler):
    """In place of JupyterLab's own, which has these methods."""

    @web.authenticated
    def get(self) -> None:
        """Tell JupyterLab's page that no build is due."""
        self.finish({"status": "stable", "message": ""})

    @web.authenticated
    def post(self) -> None:
        """Refuse to start a build."""
        raise web.HTTPError(403, _REFUSAL)

    @web.authenticated
    def delete(self) -> None:
        """Nor can one be ended."""
        raise web.HTTPError(403, _REFUSAL)
