"""``golem-launcher kernel``: the kernel "Python 3 (Golem)" for Jupyter's programs, installed, listed, removed."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from golem_launcher.cli.terminal.command_io import Json, print_json, reports_errors, say
from golem_launcher.errors import LauncherError, RequestError

app = typer.Typer(
    help='The kernel "Python 3 (Golem)": notebooks of this computer whose cells run at a provider.',
    no_args_is_help=True,
)

_Name = Annotated[str, typer.Option("--name", help="What programs call it: jupyter console --kernel NAME.")]


def add_commands(parent: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    parent.add_typer(app, name="kernel")


@app.command()
@reports_errors
def install(
    *,
    name: _Name = "golem",
    title: Annotated[
        str | None, typer.Option("--display-name", help="What people see.", show_default="Python 3 (Golem)")
    ] = None,
    user: Annotated[bool, typer.Option("--user", help="For you, in every environment (the default).")] = False,
    sys_prefix: Annotated[bool, typer.Option("--sys-prefix", help="Into this Python's environment.")] = False,
    prefix: Annotated[Path | None, typer.Option("--prefix", help="Into the environment at this path.")] = None,
    request: Annotated[
        Path | None, typer.Option("--request", help="A request in YAML: the first cell connects by it.")
    ] = None,
    leave_running: Annotated[
        bool,
        typer.Option(
            "--leave-running", help="Closing a notebook leaves its session running; else it is saved and ended."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Install the kernel, so that JupyterLab, Notebook, VS Code, jupyter console, papermill and nbclient find it.

    Examples:
    golem-launcher kernel install
    golem-launcher kernel install --sys-prefix
    golem-launcher kernel install --request gpu.yaml --name golem-gpu
    """
    import sys

    from golem_launcher.kernel import kernelspec
    from golem_launcher.request import parse_request, yaml

    if user + sys_prefix + (prefix is not None) > 1:
        raise RequestError("--user, --sys-prefix and --prefix are three places.", "Name one.")
    asked = parse_request(yaml.read(request)) if request is not None else None
    place = kernelspec.install(
        name=name,
        title=title,
        prefix=sys.prefix if sys_prefix else str(prefix) if prefix is not None else None,
        request=asked,
        on_shutdown="leave-running" if leave_running else "disconnect",
    )
    if as_json:
        print_json({"name": name, "directory": str(place)})
    else:
        say(f"Installed in {place}. Choose “{title or kernelspec.TITLE}” in your Jupyter, and run: %help")


@app.command()
@reports_errors
def uninstall(*, name: _Name = "golem", as_json: Json = False) -> None:
    """Remove the kernel. Sessions are left as they are.

    Example: golem-launcher kernel uninstall
    """
    from golem_launcher.kernel import kernelspec

    place = kernelspec.uninstall(name)
    if as_json:
        print_json({"name": name, "directory": str(place)})
    else:
        say(f"Removed from {place}.")


@app.command("list")
@reports_errors
def list_kernels(*, as_json: Json = False) -> None:
    """List the installed kernels of Golem Launcher.

    Example: golem-launcher kernel list
    """
    from golem_launcher.kernel import kernelspec

    found = kernelspec.installed()
    if as_json:
        print_json([{"name": name, **one} for name, one in found.items()])
        return
    if not found:
        raise LauncherError("The kernel is not installed.", "golem-launcher kernel install")
    for name, one in found.items():
        says = " (its first cell connects)" if one["request"] else ""
        say(f"{name:<16} {one['display_name']}{says}  {one['directory']}")
