"""The stand-in for the grammar still checks addresses, once asked."""

import subprocess
import sys
import textwrap

_SCRIPT = """
    import sys
    from golem_launcher.agent import fast_start
    fast_start.apply()
    import jupyterlab.labapp, jsonschema
    from jsonschema import Draft202012Validator, FormatChecker
    assert "lark" not in sys.modules
    checker = Draft202012Validator({"format": "iri"}, format_checker=Draft202012Validator.FORMAT_CHECKER)
    print(checker.is_valid("http://exämple.org/"), checker.is_valid("no address"), "lark" in sys.modules)
    import rfc3987_syntax.utils
    print(rfc3987_syntax.is_valid_syntax.__module__)
"""


def test_the_grammar_is_there_when_needed():
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_SCRIPT)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.splitlines() == ["True False True", "rfc3987_syntax.syntax_helpers"], done.stderr
