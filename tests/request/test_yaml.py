from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

import pytest
import typer
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from golem_launcher.cli import main
from golem_launcher.cli.options.request import takes_request
from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest, parse_request, yaml
from golem_launcher.request.command import command
from golem_launcher.request.fields import NAMES, option
from golem_launcher.request.redaction import holds_secret, without_secrets
from tests.patience import slower

if TYPE_CHECKING:
    from pathlib import Path

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhTnGXqrDVJoOrm0OaMTQyZ7F2VgVQXLFVb3KHZcBk8 me@home"
_TEXT = st.text(min_size=1, max_size=30).map(str.strip).filter(bool)
_REQUESTS = st.fixed_dictionaries(
    {"name": st.from_regex(r"[a-z][a-z0-9-]{0,9}[a-z0-9]", fullmatch=True)},
    optional={
        "budget": st.decimals("0.000001", 1000, places=6),
        "hours": st.decimals("0.01", 100, places=4),
        "cpus": st.integers(1, 256),
        "memory_gib": st.sampled_from([0.5, 1.0, 2.25, 4096.0, 1234.56789]),
        "gpus": st.integers(0, 16),
        "gpu_model": _TEXT,
        "software": st.sampled_from(["base", "sklearn", "gpu"]),
        "packages": st.lists(st.sampled_from(["numpy", "pandas>=2", "a[b]==1; python_version > '3'"]), unique=True),
        "inputs": st.lists(_TEXT, max_size=3),
        "allow": st.lists(st.sampled_from(["0x1", "null", "yes", "1e5", "a: b", "- x"]), max_size=3),
        "ssh_key": st.just(_KEY),
        "save": st.booleans(),
        "outbound": st.sampled_from(["off", "packages"]),  # `off` is a boolean in other people's YAML
        "store": st.sampled_from(["~", "no", "0123", "s3://bucket/place"]),
    },
)


_STARTED: list[LaunchRequest] = []


def _start(*, given: dict[str, object]) -> None:
    _STARTED.append(parse_request(given))


_APP = typer.Typer()
_APP.command()(takes_request(_start))
_START = typer.main.get_command(_APP)


@given(_REQUESTS)
def test_a_request_survives_yaml(values: dict[str, object]) -> None:
    request = parse_request(values)
    text = yaml.dump(request)
    assert parse_request(yaml.load(text)) == request
    assert pyyaml.safe_load(text)["name"] == request.name  # and it is YAML for others as well


@pytest.mark.parametrize("model", ["A\u0085B", "A\u2028B", "A\u0085"])
def test_every_end_of_a_line_survives_yaml(model: str) -> None:
    assert parse_request(yaml.load(yaml.dump(LaunchRequest(gpu_model=model)))).gpu_model == model


def test_only_what_differs_is_written() -> None:
    assert yaml.dump(LaunchRequest(name="mine", hours="2.50")).splitlines()[1:] == ["name: mine", "hours: 2.5"]
    assert command(LaunchRequest(name="mine")) == "golem-launcher start --name mine"


def test_a_person_may_write_it_freely() -> None:
    text = "# my own\nname: mine\nbudget: 1e-1\nsave: no\npackages: [numpy, 'pandas>=2']\nstore:\nimage: ~\n"
    request = parse_request(yaml.load(text))
    assert (str(request.budget), request.save, request.packages) == ("0.1", False, ("numpy", "pandas>=2"))
    assert (request.store, request.image) == (None, None)
    assert yaml.load("") == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: &x [1]\nb: *x", "anchors"),
        ("a: *x", "anchors"),
        ("a: !!python/object/apply:os.system [x]", "tags"),
        ("a: !x y", "tags"),
        ("a: {b: c}", "plain"),
        ("a: [[b]]", "plain"),
        ("[a]: b", "plain"),
        ("- a", "no request"),
        ("a", "no request"),
        ("a: 1\na: 2", "twice"),
        ("a: 1\n---\nb: 2", "more than one"),
        ("a: [", "no YAML"),
        ("a: \x00", "no YAML"),
        ("a: " + "x" * 300_000, "larger"),
        ("é" * 200_000, "larger"),
    ],
)
def test_what_is_no_plain_request_is_refused(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        yaml.load(text)


@given(st.text(alphabet="ab:-[]{}!&*?|>'\"#, \n\t%@~", max_size=60))
def test_whatever_a_file_holds_it_is_read_or_refused(text: str) -> None:
    try:
        values = yaml.load(text)
    except RequestError:
        return
    assert all(isinstance(value, str | tuple) for value in values.values())


@pytest.mark.parametrize("piece", ["[", "- ", "? ", "{a: ", "&a [*a, ", "a: b\n", "'", "a:\n "])
def test_a_hostile_file_takes_no_time(piece: str) -> None:
    before = time.process_time()
    with pytest.raises(RequestError):
        yaml.load((piece * 200_000)[: yaml.LARGEST - 1])
    assert time.process_time() - before < 5 * slower()


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="can't be read"):
        yaml.read(tmp_path / "none.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(RequestError, match="UTF-8"):
        yaml.read(tmp_path / "binary")
    (tmp_path / "good.yaml").write_bytes(b"\xef\xbb\xbfname: mine\n")
    assert yaml.read(tmp_path / "good.yaml") == {"name": "mine"}


@pytest.mark.parametrize("text", ["a: &x b", "budget: -1", "wings: 2"])
def test_start_takes_a_file_and_refuses_what_is_wrong_in_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "request.yaml").write_text(text)
    ran = CliRunner().invoke(main.app, ["start", "-f", str(tmp_path / "request.yaml")])
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "Error: " in ran.stderr


@given(_REQUESTS)
def test_the_command_says_the_same_in_words_of_a_shell(values: dict[str, object]) -> None:
    request = parse_request(values)
    words = shlex.split(command(request))
    assert words[:4] == ["golem-launcher", "start", "--name", values["name"]]
    _START.main(words[2:], standalone_mode=False)
    assert _STARTED.pop() == request
    assert len({option(name) for name in NAMES}) == len(LaunchRequest.model_fields)


@pytest.mark.parametrize(
    "text",
    [
        "https://me:ghp_abc@github.com/me/x",
        "https://ghp_abc@github.com/me/x",
        "redis://:pass@host",
        "s3://bucket?secret_key=abc",
        "x @ https://host/x.whl?X-Amz-Signature=1",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_secrets_are_seen(text: str) -> None:
    assert holds_secret(text)
    request = LaunchRequest(name="mine", store=text, inputs=("~/notes", text))
    clean, left_out = without_secrets(request)
    assert left_out == ("inputs", "store")
    assert (clean.inputs, clean.store) == (("~/notes",), None)


@pytest.mark.parametrize("text", ["s3://bucket/a", "git@github.com:me/x", "~/data", "https://h/x?p=1", "a@b.c", _KEY])
def test_what_is_none_is_kept(text: str) -> None:
    assert not holds_secret(text)
