"""What ``import golem_launcher`` promises: its names, how light it is, and what editors are told."""

from __future__ import annotations

import inspect
import subprocess
import sys
from decimal import Decimal

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import golem_launcher
from golem_launcher import errors
from golem_launcher.request import LaunchRequest

STABLE = {
    "Executor",
    "Offers",
    "Session",
    "attach",
    "errors",
    "launch",
    "map",
    "map_async",
    "offers",
    "quote",
    "sessions",
    "wallet",
}
"""What programs of users have: a name goes from here only with a new major version."""


def test_the_names_that_stay() -> None:
    assert set(golem_launcher.__all__) == STABLE | set(errors.__all__)
    for name in golem_launcher.__all__:
        value = getattr(golem_launcher, name)
        assert value.__doc__, name
    assert set(golem_launcher.__all__) <= set(dir(golem_launcher))
    with pytest.raises(AttributeError, match="no attribute 'lunch'"):
        _ = golem_launcher.lunch


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, golem_launcher; golem_launcher.RequestError; golem_launcher.errors.SessionError\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(loaded & {'pydantic', 'asyncio', 'IPython', 'yapapi', 'typer'})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


@pytest.mark.parametrize("of", [golem_launcher.launch, golem_launcher.offers, golem_launcher.Session], ids=str)
def test_each_field_is_a_parameter_with_type_default_and_words(of: object) -> None:
    signature = inspect.signature(of)  # type: ignore[arg-type]
    assert set(signature.parameters) - {"self"} == set(LaunchRequest.model_fields)
    assert str(signature.parameters["hours"]) == "hours: float | str | decimal.Decimal = 1"
    assert signature.parameters["memory_gib"].default == 1
    words = inspect.getdoc(of.__init__ if isinstance(of, type) else of) or ""  # type: ignore[misc]
    for name in LaunchRequest.model_fields:
        assert f"\n    {name}: " in words, name


def test_a_notebook_completes_them() -> None:
    shell = InteractiveShell.instance()
    shell.run_cell("import golem_launcher")
    with provisionalcompleter():
        text = "golem_launcher.launch(mem"
        assert "memory_gib=" in {one.text for one in shell.Completer.completions(text, len(text))}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"memory": 4}, "There is no 'memory'. Did you mean memory_gib?"),
        ({"mem": 4}, "There is no 'mem'. Did you mean memory_gib?"),
        ({"hour": 4}, "There is no 'hour'. Did you mean hours?"),
        ({"package": "pandas"}, "There is no 'package'. Did you mean packages?"),
        ({"colour": "red"}, "There is no 'colour'. There is: name, network, "),
        ({"cpus": -1}, "Cores: must be at least 1."),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(fields: dict[str, object], said: str) -> None:
    with pytest.raises(golem_launcher.RequestError) as caught:
        golem_launcher.launch(**fields)  # type: ignore[arg-type]
    assert str(caught.value).startswith(said)


def test_one_stands_for_a_list_of_one(tmp_path) -> None:  # type: ignore[no-untyped-def]
    asked = golem_launcher.Session(packages="pandas", inputs=tmp_path, deny=["a", "b"], name=None)
    assert asked._request is not None
    assert asked._request.packages == ("pandas",)
    assert asked._request.inputs == (str(tmp_path),)
    assert asked._request.deny == ("a", "b")
    assert golem_launcher.Session(hours="1,5", memory_gib="0,5")._request.hours == Decimal("1.5")  # type: ignore[union-attr]
    assert repr(asked) == f"<Session {asked.name}: not started>"
    with pytest.raises(golem_launcher.SessionError, match="was not started"):
        asked.stop()
