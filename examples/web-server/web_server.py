"""A workload that serves the directory ``public`` of the workspace to the user's browser, with Python's own server."""

from golem_launcher.workload.base import ADDRESS, PORT, PYTHON, Workload

WEB_SERVER = Workload(
    name="web-server",  # as requests have it: golem-launcher start --workload web-server
    title="Web server",  # as people read it: "Web server does not answer."
    argv=(PYTHON, "-m", "http.server", PORT, "--bind", ADDRESS, "--directory", "public"),
)
