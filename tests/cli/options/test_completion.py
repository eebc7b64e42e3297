"""What a shell completes: names that providers chose are words there, and never commands."""

import pytest

from golem_launcher import paths
from golem_launcher.cli.options.completion import provider_names
from golem_launcher.market import history

HOSTILE = (
    r"\$(touch x)", "$(touch x)", "`touch x`", "x;touch x", "x|sh", "x&", "a b", "it's", r'a\"b', "-rf", "~", "*",
    "a>b", "", "=ls", "!!", "a\nb", "{a,b}", "#x",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))


def test_a_provider_is_completed_by_its_name_unless_a_shell_would_read_more_in_it():
    for number, name in enumerate((*HOSTILE, "zima", "fast-1.node_2", "größe")):
        history.note_agreement(f"0x{number:040x}", name)
    found = [name for name, _ in provider_names("")]
    assert found == ["fast-1.node_2", "größe", "zima"]
    assert [name for name, _ in provider_names("z")] == ["zima"]
