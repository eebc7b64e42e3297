"""Commands about saved work: workspaces, generations, results, restore, verify."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher.cli.output import FAILED, print_json, reports_errors, say
from golem_launcher.errors import RequestError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from golem_launcher.workspace.generation import Generation

Json = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]
Name = Annotated[str, typer.Argument(help="The workspace's name; see `golem-launcher workspaces`.")]
StoreUrl = Annotated[
    str | None,
    typer.Option("--store", help="Where the saves are kept: a folder or an address. [default: this computer]"),
]
_TELL_SECONDS = 0.2
_MOST_NAMED = 20
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_THOUSAND = 1000


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (workspaces, generations, results, restore, verify):
        app.command(command.__name__)(reports_errors(command))


def workspaces(
    *,
    remove: Annotated[str | None, typer.Option(metavar="NAME", help="Forget this workspace and all its saves.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before something is lost.")] = False,
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """List the saved workspaces, the newest first; or forget one.

    Examples:
    golem-launcher workspaces
    golem-launcher workspaces --remove old-lab
    """
    from golem_launcher.workspace.store import open_store

    kept = open_store(store)
    if remove is not None:
        _remove(kept, remove, yes=yes)
        return
    found = kept.workspaces()
    if as_json:
        print_json([_plain(generation) for generation in found])
    elif not found and store is not None:
        say(f"There is nothing saved at {kept.shown}.")
    elif not found:
        say("Nothing has been saved yet. A session saves by itself: golem-launcher start --wait")
    else:
        for generation in found:
            say(f"{generation.workspace:<40} {_line(generation)}")


def generations(name: Name, *, store: StoreUrl = None, as_json: Json = False) -> None:
    """List the saves of a workspace, the oldest first.

    Examples:
    golem-launcher generations my-lab
    golem-launcher generations my-lab --json
    """
    from golem_launcher.workspace.store import open_store

    kept = open_store(store)
    found = kept.generations(name)
    if not found:
        kept.manifest(name)  # says why there is none
    if as_json:
        print_json([_plain(generation) for generation in found])
        return
    for generation in found:
        say(f"{generation.number:>6}  {_line(generation)}")
        for flag in generation.flags:
            say(f"        {flag}")


def results(
    name: Name,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip file to write. [default: NAME.zip]")
    ] = None,
    generation: Annotated[int | None, typer.Option(help="Which save. [default: the newest]")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Write the files of a session's last save into a zip file.

    Examples:
    golem-launcher results my-lab
    golem-launcher results my-lab -o work.zip --generation 3
    """
    from golem_launcher.workspace.results import folded, save_zip
    from golem_launcher.workspace.store import open_store

    kept = open_store(store)
    manifest = kept.manifest(name, generation)
    target = output or Path(f"{name}.zip")
    if target.exists() and not force:
        raise RequestError(f"{target} is there already.", "Name another file with -o, or write over it with --force.")
    written = save_zip(kept, manifest, target, _progress("Writing"))
    if as_json:
        print_json(
            {
                "file": str(target.absolute()),
                "generation": manifest.generation,
                "saved_at": manifest.created_at,
                "files": written.files,
                "bytes": written.bytes,
                "could_run": written.could_run,
                "links_left_out": written.links_left_out,
                "renamed": dict(written.renamed),
            }
        )
        return
    say(f"{target}: {written.files:,} files, {_size(written.bytes)}, saved {_time(manifest.created_at)}.")
    if written.links_left_out:
        say(f"{written.links_left_out} links were left out.")
    _say_renamed(dict(written.renamed))
    if written.could_run:
        say("Look at these before you open the folder with anything: some programs run such files by themselves.")
        named = folded(written.could_run)
        for path in named[:_MOST_NAMED]:
            say(f"  {path}")
        if len(named) > _MOST_NAMED:
            say(f"  and {len(named) - _MOST_NAMED} more (all with --json)")


def restore(
    name: Annotated[str, typer.Argument(metavar="NAME[@GENERATION]", help="A workspace, or one save of it.")],
    directory: Annotated[Path, typer.Argument(help="A new or empty directory.")],
    *,
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Write a saved workspace into a directory.

    Examples:
    golem-launcher restore my-lab work
    golem-launcher restore my-lab@3 work
    """
    from golem_launcher.workspace.extract import extract
    from golem_launcher.workspace.store import open_store

    workspace, _, number = name.partition("@")
    if number and not number.isdigit():
        raise RequestError(f"'{number}' is no number of a save.", f"See `golem-launcher generations {workspace}`.")
    kept = open_store(store)
    manifest = kept.manifest(workspace, int(number) if number else None)
    renamed = extract(kept, manifest, directory, _progress("Writing"))
    if as_json:
        told = {"directory": str(directory.absolute()), "generation": manifest.generation, "files": manifest.files}
        print_json({**told, "renamed": renamed})
        return
    say(f"{manifest.files:,} files of {_time(manifest.created_at)} are in {directory}.")
    _say_renamed(renamed)


def _say_renamed(renamed: dict[str, str]) -> None:
    from golem_launcher.workspace.manifest import shown

    if renamed:
        say("These have another name here: on many computers theirs are the same as others', but for case or accents.")
        for path, name in list(renamed.items())[:_MOST_NAMED]:
            say(f"  {shown(path)} is {shown(name)}")
        if len(renamed) > _MOST_NAMED:
            say(f"  and {len(renamed) - _MOST_NAMED} more (all with --json)")


def verify(name: Name, *, store: StoreUrl = None, as_json: Json = False) -> None:
    """Read every part of every save of a workspace again and see that none is damaged.

    Examples:
    golem-launcher verify my-lab
    golem-launcher verify my-lab --json
    """
    from golem_launcher.workspace.store import open_store

    report = open_store(store).verify(name, _progress("Reading", "parts"))
    if as_json:
        print_json({"generations": report.generations, "chunks": report.chunks, "damaged": report.damaged})
    elif not report.damaged:
        saves = (
            f"All {report.generations} saves of '{name}' are" if report.generations > 1 else f"The save of '{name}' is"
        )
        say(f"{saves} whole ({report.chunks:,} parts were read).")
    if report.damaged:
        if not as_json:
            for sentence in report.damaged[:_MOST_NAMED]:
                say(sentence)
        raise WorkspaceError(
            f"{len(report.damaged)} parts of '{name}' are damaged.",
            "The next save of a running session brings back what it still has.",
        )


def _remove(kept: Any, name: str, *, yes: bool) -> None:
    found = kept.generations(name)
    if not found:
        kept.manifest(name)
    if not yes:
        if not sys.stdin.isatty():
            raise RequestError(f"Removing '{name}' loses {len(found)} saves.", "Say --yes to do it.")
        if not typer.confirm(f"Forget '{name}' with its {len(found)} saves? This can't be undone."):
            raise typer.Exit(FAILED)
    kept.remove(name)
    kept.prune()
    say(f"'{name}' is forgotten.")


def _progress(what: str, unit: str = "bytes") -> Callable[[int, int], None]:
    """Tells how far it is, in a terminal, once a second's worth of work is seen."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None
    told = started = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if done == total and told > started:
            sys.stderr.write("\r\x1b[K")
        elif now - told > _TELL_SECONDS and total:
            told = now
            amount = f"{_size(done)} of {_size(total)}" if unit == "bytes" else f"{done:,} of {total:,} {unit}"
            sys.stderr.write(f"\r\x1b[K{what}: {done * 100 // total} % ({amount})")
        sys.stderr.flush()

    return tell


def _line(generation: Generation) -> str:
    size = _size(generation.bytes)
    return f"{_time(generation.created_at)}  {generation.files:>8,} files  {size:>10}  save {generation.number}"


def _plain(generation: Generation) -> dict[str, Any]:
    return {
        "workspace": generation.workspace,
        "generation": generation.number,
        "saved_at": generation.created_at,
        "files": generation.files,
        "bytes": generation.bytes,
        "flags": generation.flags,
    }


def _time(moment: Any) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _size(number: float) -> str:
    for unit in _UNITS:
        if number < _THOUSAND or unit == _UNITS[-1]:
            break
        number /= _THOUSAND
    return f"{number:,.0f} {unit}" if unit == "bytes" else f"{number:,.1f} {unit}"
