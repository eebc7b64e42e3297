"""What the repository promises about itself."""

from __future__ import annotations

import ast
import inspect
import io
import itertools
import json
import re
import socket
import subprocess
import sys
import tokenize
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from golem_launcher import errors
from golem_launcher.cli.main import app
from tests import jobs
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b")


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def _project() -> dict[str, list[str]]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])


def _pins(*names: str) -> list[Requirement]:
    lines = [
        line.split(" #")[0].strip().rstrip("\\") for name in names for line in (ROOT / name).read_text().splitlines()
    ]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _misfits(wanted: list[str], pins: list[Requirement]) -> Iterator[str]:
    for need in map(Requirement, wanted):
        if need.marker is not None and not need.marker.evaluate():
            continue
        found = [
            pin for pin in pins
            if canonicalize_name(pin.name) == canonicalize_name(need.name)
            and (pin.marker is None or pin.marker.evaluate())
        ]  # fmt: skip
        versions = [spec.version for pin in found for spec in pin.specifier if spec.operator == "=="]
        if len(versions) != 1 or not need.specifier.contains(versions[0], prereleases=True):
            yield f"{need}: pinned {versions}"


def test_pins_satisfy_the_project() -> None:
    project = _project()
    assert list(_misfits(project["dependencies"], _pins("requirements.txt"))) == []
    extras: dict[str, list[str]] = project["optional-dependencies"]  # type: ignore[assignment]
    assert list(_misfits(extras["test"], _pins("requirements.txt", "tests/requirements.txt"))) == []


def test_every_pin_is_exact() -> None:
    for pin in _pins("requirements.txt", "tests/requirements.txt"):
        assert [spec.operator for spec in pin.specifier] == ["=="], pin


@pytest.mark.parametrize(("name", "hole"), [("jupyter-server", "2.17.0"), ("jupyter-server-proxy", "4.3")])
def test_what_serves_a_browser_is_newer_than_its_known_holes(name: str, hole: str) -> None:
    wanted = next(each for each in map(Requirement, _project()["dependencies"]) if canonicalize_name(each.name) == name)
    assert not wanted.specifier.contains(hole)


def test_errors_are_all_public_and_drawn() -> None:
    defined = {n for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, Exception)}
    assert set(errors.__all__) == defined
    assert errors.__all__ == sorted(errors.__all__)
    assert defined <= set(re.findall(r"\w+", errors.__doc__ or ""))


@pytest.mark.slow
def test_public_modules_have_docstrings() -> None:
    bare = [
        str(path)
        for path in sorted((ROOT / "golem_launcher").rglob("*.py"))
        if not any(part.startswith("_") and part != "__init__.py" for part in path.parts)
        and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert bare == []


def test_every_file_of_tests_is_in_one_job() -> None:
    files = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py"))
    for cut, kept in ((jobs.all_jobs, jobs.MEASURED), (jobs.quick_jobs, jobs.MEASURED_QUICK)):
        seconds = jobs.known_seconds(kept)
        for known in (seconds, {}, {name: 1000 * took for name, took in seconds.items()}):
            assert sorted(file for job in cut(known) for file in job.files) == files
        assert set(seconds) <= {file.removeprefix("tests/") for file in files}


@pytest.mark.parametrize("cut", ["<testsuite><testcase", ""])
def test_a_report_of_a_job_that_was_ended_by_force_is_read_as_far_as_it_goes(tmp_path: Path, cut: str) -> None:
    report = tmp_path / "report.xml"
    report.write_text(cut)
    assert (jobs.failing_files(report), jobs.measured([report])) == ((), {})
    whole = '<testcase classname="tests.a.test_b" time="7"><failure/></testcase><testcase classname="tests.a.test_c"/>'
    report.write_text(f"<testsuite>{whole}<testcase><error/></testcase></testsuite>")
    assert (jobs.failing_files(report), jobs.measured([report])) == (("tests/a/test_b.py",), {"a/test_b.py": 7})


_FILE = r"`([\w./-]+\.(?:py|js|toml))[`:]"


_FOREIGN = ("docs/localnet.md",)  # a table of other people's examples


def _comments(path: Path) -> str:
    """What a file says to people: all of a document, and of a program its comments and docstrings."""
    text = path.read_text()
    if path.suffix == ".py":
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        return "\n".join(
            each.string
            for each in tokens
            if each.type == tokenize.COMMENT or (each.type == tokenize.STRING and '"""' in each.string[:4])
        )
    if path.suffix in {".js", ".ts"}:
        return "\n".join(re.findall(r"/\*.*?\*/|//.*", text, re.DOTALL))
    return text


@pytest.mark.slow
def test_the_files_that_documents_comments_and_docstrings_name_are_there() -> None:
    """By their room (``market/prices.py``) anywhere; what these two documents name alone is a file of ours as well."""
    tracked = [path.relative_to(ROOT).as_posix() for path in _tracked()]
    there = {"/".join(file.split("/")[start:]) for file in tracked for start in range(file.count("/") + 1)}
    missing = [
        f"{file}: {name}"
        for file in tracked
        if file.endswith((".md", ".py", ".js", ".ts")) and file not in _FOREIGN
        for name in re.findall(_FILE, _comments(ROOT / file))
        if name not in there
        and not name.startswith((".", "/"))
        and ("/" in name or file in {"docs/architecture.md", "CONTRIBUTING.md"})
    ]
    assert missing == []


def test_the_agent_may_import_none_of_our_rooms() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    forbidden = next(each for each in contracts if each.get("source_modules") == ["golem_launcher.agent"])
    rooms = {path.stem for path in (ROOT / "golem_launcher").iterdir() if path.suffix == ".py" or path.is_dir()}
    rooms -= {"__init__", "__pycache__", "agent"}
    assert {name.removeprefix("golem_launcher.") for name in forbidden["forbidden_modules"]} == rooms


_CALLS = {
    ("session/client/starting.py", "session/supervision/supervisor.py"): ("supervisor_command(", '"__main__"'),
    ("session/machines/renting.py", "rental/session_engine.py"): ("engine.publish(", "async def publish("),
    ("agent/server.py", "access/machine/workload_client.py"): ('"/log"', '"/log?'),
    ("access/machine/workload_client.py", "ui/cards/logfeed.py"): (
        "def follow_log(self, path",
        "directory.workload_log",
    ),
    ("ui/cards/sessions.py", "ui/cards/sessions.js"): ('"kind": "log"', 'case "log":'),
    ("ui/cards/sessions.js", "ui/cards/log.js"): (".log.add(", "\n  add("),
    ("agent/workspace/routes.py", "workspace/transfer/agent_workspace.py"): ('"/chunks"', '"/chunks"'),
    ("workspace/repository/pack_writer.py", "workspace/backends/directory.py"): ("location.write(", "def write("),
    ("rental/strategy.py", "rental/event_consumer.py"): ("self._refused(", "def refused_bill("),
    ("rental/event_consumer.py", "session/machines/monitor.py"): ("money.disputed(", "money.dispute("),
}
"""The arrows that are no imports: what the one file has, and the other, of the call."""


def _imports(file: str) -> set[str]:
    """The files of ours that a Python file imports, or has imported for it by a package's ``__init__``."""
    package = ROOT / "golem_launcher"
    found = set()
    for node in ast.walk(ast.parse((package / file).read_text())):
        if not isinstance(node, ast.ImportFrom):
            continue
        folder = (package / file).parents[node.level - 1] if node.level else ROOT
        module = folder.joinpath(*(node.module or "").split("."))
        for path in (module.with_suffix(".py"), *(module / f"{each.name}.py" for each in node.names)):
            if path.is_file() and path.is_relative_to(package):
                found.add(path.relative_to(package).as_posix())
        inits = (module / "__init__.py", *(module / each.name / "__init__.py" for each in node.names))
        for init in inits:
            name = init.relative_to(package).as_posix() if init.is_relative_to(package) else file
            if init.is_file() and name not in {file, "__init__.py"} and not file.endswith("__init__.py"):
                found |= _imports(name)
    return found


def _is_arrow(one: str, other: str) -> bool:
    if (one, other) in _CALLS:
        here, there = _CALLS[one, other]
        package = ROOT / "golem_launcher"
        return here in (package / one).read_text() and there in (package / other).read_text()
    return other in _imports(one) or one in _imports(other)


def test_each_way_through_the_house_has_ten_files_at_most_none_twice_and_arrows_that_are_there() -> None:
    section = (ROOT / "docs/architecture.md").read_text().partition("## Four ways")[2].partition("\n## ")[0]
    ways = [way for way in section.split("\n\n") if way.startswith("**")]
    assert len(ways) == 4
    arrows = []
    for way in ways:
        files = re.findall(_FILE, way)
        assert 5 <= len(files) == len(set(files)) <= 10
        steps = [re.findall(_FILE, step) for step in way.split("→")]
        arrows += [(one[0], other[0]) for one, other in itertools.pairwise(steps)]
        asides = [(step[:at], step[at]) for step in steps for at in range(1, len(step))]
        assert [aside for before, aside in asides if not any(_is_arrow(one, aside) for one in before)] == []
    assert [arrow for arrow in arrows if not _is_arrow(*arrow)] == []
    assert set(_CALLS) <= set(arrows)


def test_a_rental_knows_nothing_of_what_runs_there() -> None:
    files = sorted((ROOT / "golem_launcher" / "rental").rglob("*.py"))
    assert len(files) > 20
    assert [
        path.name for path in files if re.search(r"jupyter|\blabs?\b|ipython", path.read_text(), re.IGNORECASE)
    ] == []


def test_what_is_started_on_the_users_computer_imports_nothing_from_the_folder_it_is_called_in() -> None:
    """What runs at providers lies in folders of its own; a kernel there is the user's, who has modules beside."""
    there = {"agent", "localnet/runtime"}
    found = [
        path.relative_to(ROOT / "golem_launcher").as_posix()
        for path in (ROOT / "golem_launcher").rglob("*.py")
        if re.search(r"sys\.executable,\s*\"-[mc]\"", path.read_text())
    ]
    assert [path for path in found if not any(path.startswith(room) for room in there)] == []


def test_nothing_is_left_unfinished() -> None:
    found = []
    for path in _tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {line.strip()}" for line in text.splitlines() if _UNFINISHED.search(line)]
    assert found == []


def _commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    def walk(group: typer.core.TyperGroup, name: str) -> Iterator[tuple[str, typer.core.TyperCommand]]:
        for child, command in group.commands.items():
            if isinstance(command, typer.core.TyperGroup):
                yield from walk(command, f"{name} {child}")
            elif not command.hidden:
                yield f"{name} {child}", command

    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    yield from walk(root, "golem-launcher")


@pytest.mark.parametrize(("name", "command"), [pytest.param(*found, id=found[0]) for found in _commands()])
def test_help_of_every_command_has_an_example_and_is_shown_whole(name: str, command: typer.core.TyperCommand) -> None:
    swallowed = [each.name for each in command.params if re.search(r"\[[a-z]", getattr(each, "help", None) or "")]
    assert not swallowed, "rich takes words in brackets for a style: show_default says what the default is"
    text = f"{command.help or ''}\n{command.epilog or ''}"
    assert re.search(rf"Examples?:\s+{name}", text), f"the help of '{name}' shows no example that begins with it"


def test_binder_delegates_to_the_root() -> None:
    binder = ROOT / "binder"
    if not binder.is_dir():
        pytest.skip("there is no binder directory")
    for path in binder.iterdir():
        root = ROOT / path.name
        if root.is_file():  # what binder/ does must be what the root does, not a copy that ages
            assert path.resolve() == root or path.name in path.read_text(), path


def test_binders_server_leaves_the_port_of_sessions_to_them_at_other_addresses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as any_port:
        port = any_port.getsockname()[1]
    listen = "with socket.create_server((sys.argv[1][5:], int(sys.argv[2]))): print('up', flush=True); input()"
    serve = f"import socket, sys\n{listen}"
    argv = [ROOT / "binder/start", sys.executable, "-c", serve, "--ip=0.0.0.0", str(port)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        socket.create_server(("127.9.8.7", port)).close()  # as a session does
        server.communicate("\n", timeout=20 * slower())


def test_the_container_is_made_as_binders_and_takes_nothing_of_this_computers_along() -> None:
    recipe = (ROOT / ".devcontainer/Dockerfile").read_text()
    assert "RUN ./postBuild" in recipe
    assert "JUPYTERHUB_SERVICE_PREFIX=/" in recipe  # the Labs are opened by its one port
    assert (ROOT / re.findall(r'CMD \["python", "(.+)"\]', recipe)[0]).is_file()
    assert json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())["build"]["dockerfile"] == "Dockerfile"
    assert {".git", ".venv"} <= set((ROOT / ".dockerignore").read_text().split())


def test_every_test_that_is_named_as_a_proof_is_there() -> None:
    named = re.findall(r"`([a-z_/]+\.py)::(test_[a-z0-9_]+)`", (ROOT / "docs" / "security.md").read_text())
    assert len(named) > 30
    for file, test in named:
        assert f"def {test}(" in (ROOT / "tests" / file).read_text(), (file, test)


def test_links_of_the_documents_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
        for target in re.findall(r"(?:\]\(|src=\")([^)#\s\"]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
