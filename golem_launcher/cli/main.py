"""``golem-launcher``: the command line, put together from one module per subject.

A command imports its own subject and no other; help imports them all.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from golem_launcher.cli.terminal.printing import quiet_libraries
from golem_launcher.suggestions import did_you_mean

_HELP = ["-h", "--help"]
SUBJECTS = {
    "sessions.start": ("start", "wake"),
    "sessions.session_list": ("list",),
    "sessions.one_session": ("show", "logs", "open", "save", "extend", "keep-running", "stop", "remove"),
    "sessions.move": ("move",),
    "jobs.run": ("run",),
    "jobs.sweep": ("sweep",),
    "jobs.jobs": ("jobs",),
    "sessions.cluster": ("cluster",),
    "files.workspaces": ("workspaces", "generations", "results", "restore", "verify"),
    "market.offers": ("offers", "quote", "providers", "networks"),
    "market.gpus": ("gpus",),
    "sessions.benchmark": ("benchmark",),
    "money.wallet": ("wallet", "fund", "identity"),
    "money.bills": ("bill", "ledger"),
    "this_computer.node": ("doctor", "version", "down", "node"),
    "this_computer.page": ("page",),
    "this_computer.demo": ("demo",),
    "ways_in.tunnels": ("tunnel", "share", "gateway", "connect"),
    "ways_in.ssh": ("ssh", "ssh-config"),
    "files.copy": ("cp",),
    "integrations.kernel": ("kernel",),
    "this_computer.image": ("image",),
    "integrations.notify": ("notify",),
    "integrations.metrics": ("metrics",),
    "integrations.mcp": ("mcp",),
    "integrations.quota": ("quota",),
    "this_computer.localnet": ("localnet",),
}
"""The commands of each module, in the order of help."""


class _OnDemand(Mapping[str, Any]):
    """Each command by its name, imported when somebody takes it."""

    def __iter__(self) -> Iterator[str]:
        return (name for names in SUBJECTS.values() for name in names)

    def __len__(self) -> int:
        return sum(map(len, SUBJECTS.values()))

    def __contains__(self, name: object) -> bool:
        return name in tuple(self)

    def __getitem__(self, name: str) -> Any:
        for subject, names in SUBJECTS.items():
            if name in names:
                return _commands(subject)[name]
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping, but a ``KeyError`` of a command's own module is none of an unknown name."""
        return self[name] if name in self else default  # noqa: SIM401 - this is it


class _Commands(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _OnDemand()  # type: ignore[assignment]  # nobody adds to it

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As of any group, but ``keep`` is told of ``keep-running`` as well, which typer finds too unlike."""
        if args[0] not in self.commands and not ctx.resilient_parsing:
            ctx.fail(f"No such command '{args[0]}'. {did_you_mean(args[0], self.commands)}".rstrip())
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """As of any group; typer has added its own options by now, those of completion."""
        _name_no_kind_of_flags(self)
        super().format_help(ctx, formatter)


@functools.cache
def _commands(subject: str) -> dict[str, Any]:
    part = typer.Typer()
    importlib.import_module(f"golem_launcher.cli.{subject}").add_commands(part)
    found = dict(typer.main.get_group(part).commands)
    for command in found.values():
        _name_no_kind_of_flags(command)
        _let_help_flow(command)
    return found


def _name_no_kind_of_flags(command: Any) -> None:
    """Have help say nothing of the kind of value that a flag takes: it takes none."""
    named = command.get_help_option(typer.Context(command, help_option_names=_HELP))
    for option in (*command.params, named):
        if getattr(option, "is_flag", False) and option is not None and option.metavar is None:
            option.metavar = ""
    if isinstance(command, TyperGroup) and not isinstance(command, _Commands):
        for child in command.commands.values():
            _name_no_kind_of_flags(child)


def _let_help_flow(command: Any) -> None:
    """Have each paragraph of help be as wide as the terminal, which else breaks where its docstring does, too."""
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(one if one.startswith("Examples:") else " ".join(one.split("\n")) for one in paragraphs)
    if isinstance(command, TyperGroup):
        for child in command.commands.values():
            _let_help_flow(child)


app = typer.Typer(
    name="golem-launcher",
    cls=_Commands,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": _HELP},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - called by typer
    if wanted:
        from golem_launcher.cli.own_version import own_version

        typer.echo(own_version())
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback has printed it
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and no more.")
    ] = False,
) -> None:
    """Launch a full JupyterLab inside a Golem provider."""
    if context.invoked_subcommand is None:
        from golem_launcher.cli.welcome import welcome

        welcome()


def main() -> None:
    """Run the command line."""
    quiet_libraries()
    app()
