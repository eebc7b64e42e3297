import subprocess
import sys

import pytest

from tests.patience import slower

# In a process of its own: it is about what is imported.
CODE = """
import sys
from golem_launcher.agent import jsonschema_import
jsonschema_import.apply()
import jupyterlab.labapp, jsonschema
assert "lark" not in sys.modules
checker = jsonschema.Draft202012Validator({"format": "email"}, format_checker=jsonschema.FormatChecker())
print(checker.is_valid("me@example.org"), checker.is_valid("nobody"))
import rfc3987_syntax
print(rfc3987_syntax.is_valid_syntax("iri", "http://exämple.org/"), "lark" in sys.modules)
"""


@pytest.mark.slow
def test_jupyter_starts_without_the_grammar_which_can_still_be_imported():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120 * slower(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["True False", "True True"]


def test_nothing_of_the_agents_brings_the_grammar_in(agent):
    assert agent.start("-X", "importtime").returncode == 0
    agent.answers()
    imported = "".join(file.read_text() for file in (agent.run / "agent.log").iterdir())
    assert "jupyterlab.labapp" in imported
    assert "rfc3987_syntax.syntax_helpers" not in imported
