"""The commands for saved work: workspaces, generations, results, restore, verify."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golem_launcher import partial_files, paths
from golem_launcher.cli.options.completion import saved_names, workspace_names
from golem_launcher.cli.terminal.command_io import FAILED, Json, print_json, reports_errors, say
from golem_launcher.cli.terminal.table import show_table
from golem_launcher.cli.terminal.transfer_bar import transfer_bar
from golem_launcher.errors import RequestError, WorkspaceError
from golem_launcher.units import counted, data_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from golem_launcher.workspace.repository.generation import Generation

Name = Annotated[
    str,
    typer.Argument(
        help="A session's name, or else a workspace's; see `golem-launcher workspaces`.", autocompletion=saved_names
    ),
]
StoreUrl = Annotated[
    str | None,
    typer.Option("--store", help="Where the saves are kept: a folder or an address.", show_default="this computer"),
]
_MOST_NAMED = 20


def add_commands(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (workspaces, generations, results, restore, verify):
        app.command(command.__name__)(reports_errors(command))


def workspaces(
    *,
    remove: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Forget this workspace and all its saves.", autocompletion=workspace_names),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before something is lost.")] = False,
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """List the saved workspaces, the newest first; or forget one.

    Examples:
    golem-launcher workspaces
    golem-launcher workspaces --remove old-lab
    """
    from golem_launcher.workspace.repository.store import open_store

    kept = open_store(store)
    if remove is not None:
        _remove(kept, remove, store, yes=yes)
        return
    found = kept.workspaces()
    unreadable = kept.unreadable()
    if as_json:
        told = [{**_plain(each), "unreadable": unreadable.pop(each.workspace, [])} for each in found]
        print_json([*told, *({"workspace": name, "unreadable": numbers} for name, numbers in unreadable.items())])
        return
    for name, numbers in unreadable.items():
        say(f"{name}: {_numbered(numbers)} can't be read. How to mend it: golem-launcher verify {name}")
    if not found and unreadable:
        return
    if not found and store is not None:
        say(f"There is nothing saved at {kept.shown}.")
    elif not found:
        say("Nothing has been saved yet. A session saves by itself: golem-launcher start --wait")
    else:
        rows = [(generation.workspace, *_cells(generation)) for generation in found]
        show_table(("WORKSPACE", *_COLUMNS), rows, give_way=("WORKSPACE",), right=_NUMBERS)


def generations(name: Name, *, store: StoreUrl = None, as_json: Json = False) -> None:
    """List the saves of a workspace, the oldest first.

    Examples:
    golem-launcher generations my-lab
    golem-launcher generations my-lab --json
    """
    from golem_launcher.session.saving.saved_work import saved_work
    from golem_launcher.workspace.repository.store import open_store

    work = saved_work(name, store)
    kept, typed, name = open_store(work.store), name, work.workspace
    found = kept.generations(name)
    if not found:
        kept.manifest(name)  # says why there is none
    unreadable = kept.unreadable().get(name, [])
    if as_json:
        told: list[dict[str, Any]] = [{**_plain(each), "left_out_files": _left_out(kept, each)} for each in found]
        print_json([*told, *({"workspace": name, "generation": number, "damaged": True} for number in unreadable)])
        return
    if name != typed:
        say(f"'{typed}' is saved in the workspace '{name}':")
    show_table(_COLUMNS, list(map(_cells, found)), right=_NUMBERS)
    for generation in found:
        left_out = _left_out(kept, generation)
        if generation.flags or left_out:
            say(f"Save {generation.number}:")
        for flag in generation.flags:
            say(f"  {flag}")
        _say_left_out(left_out, indent="  ")
    if unreadable:
        say(f"{_numbered(unreadable)} can't be read. How to mend it: golem-launcher verify {name}")


def results(
    name: Name,
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip file to write.", show_default="NAME.zip")
    ] = None,
    generation: Annotated[int | None, typer.Option(help="Which save.", show_default="the newest")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    store: StoreUrl = None,
    as_json: Json = False,
) -> None:
    """Write the files of a session's last save into a zip file.

    Examples:
    golem-launcher results my-lab
    golem-launcher results my-lab -o work.zip --generation 3
    """
    from golem_launcher.session.saving.saved_work import saved_work
    from golem_launcher.workspace.export.file_content import see_none_damaged
    from golem_launcher.workspace.export.results import save_zip
    from golem_launcher.workspace.repository.autorun_files import LOOK_FIRST, folded
    from golem_launcher.workspace.repository.store import open_store

    partial_files.sweep()
    work = saved_work(name, store)
    kept = open_store(work.store)
    manifest = kept.manifest(work.workspace, generation if generation is not None else work.number)
    target = output or Path(f"{name}.zip")
    if target.exists() and not force:
        raise RequestError(f"{target} is there already.", "Name another file with -o, or write over it with --force.")
    with transfer_bar("Writing", hidden=as_json) as told:
        written = save_zip(kept, manifest, target, told, replace=force)
    left_out = [*_pairs(manifest.left_out), *_pairs(written.left_out)]
    if as_json:
        print_json(
            {
                "file": str(target.absolute()),
                "workspace": work.workspace,
                "generation": manifest.generation,
                "saved_at": manifest.created_at,
                "files": written.files,
                "bytes": written.bytes,
                "could_run": written.could_run,
                "links_left_out": written.links_left_out,
                "renamed": dict(written.renamed),
                "left_out": left_out,
                "damaged": written.damaged,
                "kernel_states": written.kernel_states,
            }
        )
    else:
        what = f"{counted(written.files, 'file')}, {data_size(written.bytes)}"
        say(f"{target}: {what}, saved {_time(manifest.created_at)}{_of(name, work.workspace)}.")
        if written.kernel_states:
            say(written.about_kernel_states)
        if generation is None and work.number is None and work.ended_with not in {None, manifest.generation}:
            say(f"These are newer saves than '{name}' ended with. Its own last: --generation {work.ended_with}")
        if written.links_left_out:
            say(f"{counted(written.links_left_out, 'link was', 'links were')} left out.")
        _say_renamed(dict(written.renamed))
        _say_left_out(left_out)
        if written.could_run:
            say(LOOK_FIRST)
            named = folded(written.could_run)
            for path in named[:_MOST_NAMED]:
                say(f"  {path}")
            if len(named) > _MOST_NAMED:
                say(f"  and {len(named) - _MOST_NAMED} more (all with --json)")
    see_none_damaged(work.workspace, written.damaged, target)


def restore(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME[@GENERATION]", help="A session or a workspace, or one save of it.", autocompletion=saved_names
        ),
    ],
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
    from golem_launcher.session.saving.saved_work import saved_work
    from golem_launcher.workspace.export.extract import extract
    from golem_launcher.workspace.export.file_content import see_none_damaged
    from golem_launcher.workspace.repository.store import open_store

    partial_files.sweep()
    work = saved_work(name, store)
    kept, workspace = open_store(work.store), work.workspace
    manifest = kept.manifest(workspace, work.number)
    with transfer_bar("Writing", hidden=as_json) as told:
        written = extract(kept, manifest, directory, told)
    left_out = [*_pairs(manifest.left_out), *_pairs(written.left_out.items())]
    if as_json:
        print_json(
            {
                "directory": str(directory.absolute()),
                "workspace": workspace,
                "generation": manifest.generation,
                "files": written.files,
                "renamed": written.renamed,
                "left_out": left_out,
                "damaged": written.damaged,
            }
        )
    else:
        at = _time(manifest.created_at)
        say(f"{counted(written.files, f'file of {at} is', f'files of {at} are')} in {directory}{_of(name, workspace)}.")
        _say_renamed(written.renamed)
        _say_left_out(left_out)
    see_none_damaged(workspace, written.damaged, directory)


def _pairs(items: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"path": path, "reason": reason} for path, reason in items]


def _left_out(kept: Any, generation: Generation) -> list[dict[str, str]]:
    """What is not in a generation, and why; its list is read only where there is something."""
    from golem_launcher.workspace.repository.sealing import DamagedObject

    if not generation.left_out:
        return []
    with contextlib.suppress(DamagedObject):
        return _pairs(kept.manifest(generation.workspace, generation.number).left_out)
    return []


def _say_left_out(left_out: Sequence[dict[str, str]], indent: str = "") -> None:
    from golem_launcher.workspace.repository.entry import shown

    if left_out:
        say(f"{indent}Left out, {len(left_out):,} in all:")
    for each in left_out[:_MOST_NAMED]:
        say(f"{indent}  {shown(each['path'])}: {each['reason']}")
    if len(left_out) > _MOST_NAMED:
        say(f"{indent}  and {len(left_out) - _MOST_NAMED:,} more (all with --json)")


def _numbered(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"Generation {numbers[0]}"
    return f"Generations {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}"


def _say_renamed(renamed: dict[str, str]) -> None:
    from golem_launcher.workspace.repository.entry import shown

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
    from golem_launcher.session.saving.saved_work import saved_work
    from golem_launcher.workspace.repository.store import open_store

    work = saved_work(name, store)
    kept, name = open_store(work.store), work.workspace
    with transfer_bar("Reading", unit="parts", hidden=as_json) as told:
        report = kept.verify(name, told)
    place = kept.shown or str(paths.home() / "workspaces")
    if as_json:
        print_json({"generations": report.generations, "chunks": report.chunks, "damaged": report.damaged})
    elif not report.damaged:
        saves = (
            f"All {report.generations} saves of '{name}' are" if report.generations > 1 else f"The save of '{name}' is"
        )
        say(f"{saves} whole ({counted(report.chunks, 'part was', 'parts were')} read).")
    if report.damaged:
        if not as_json:
            for sentence in report.damaged[:_MOST_NAMED]:
                say(sentence)
        what = counted(len(report.damaged), f"file or save of '{name}' is", f"files or saves of '{name}' are")
        copied = f"copy its packs, indexes and workspaces over those in {place}"
        raise WorkspaceError(
            f"{what} damaged.",
            "A session that still has the files brings them again with its next save. A file that another save has "
            f"whole comes from there: golem-launcher restore {name}@NUMBER directory. Where this store has a copy (on "
            f"another computer, in a backup), {copied} (rsync -rc COPY/ STORE/) and verify again.",
        )


def _remove(kept: Any, name: str, store: str | None, *, yes: bool) -> None:
    from golem_launcher.session import client

    found = [*kept.generations(name), *kept.unreadable().get(name, [])]
    if not found:
        kept.manifest(name)
    client.check_unused(name, store)
    if not yes:
        if not sys.stdin.isatty():
            raise RequestError(f"Removing '{name}' loses {counted(len(found), 'save')}.", "Say --yes to do it.")
        if not typer.confirm(f"Forget '{name}' with its {counted(len(found), 'save')}? This can't be undone."):
            raise typer.Exit(FAILED)
    kept.remove(name)
    kept.prune()
    say(f"'{name}' is forgotten.")


_COLUMNS = ("SAVE", "AT", "FILES", "SIZE", "LEFT OUT")
_NUMBERS = ("SAVE", "FILES", "SIZE", "LEFT OUT")


def _cells(generation: Generation) -> tuple[str, ...]:
    return (
        str(generation.number),
        _time(generation.created_at),
        f"{generation.files:,}",
        data_size(generation.bytes),
        f"{generation.left_out:,}" if generation.left_out else "-",
    )


def _plain(generation: Generation) -> dict[str, Any]:
    return {
        "workspace": generation.workspace,
        "generation": generation.number,
        "saved_at": generation.created_at,
        "files": generation.files,
        "bytes": generation.bytes,
        "flags": generation.flags,
        "left_out": generation.left_out,
    }


def _of(name: str, workspace: str) -> str:
    """Which workspace it is of, where a session of another name was named."""
    return f", of the workspace '{workspace}'" if workspace != name.partition("@")[0] else ""


def _time(moment: Any) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S %Z}"
