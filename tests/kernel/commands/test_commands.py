"""What a notebook says and does before, in and after a connection."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from golem_launcher.events import Stage
from golem_launcher.node import manager as node_manager
from golem_launcher.session import client
from golem_launcher.session.on_disk import liveness
from golem_launcher.session.on_disk.directory import session_directory
from tests.patience import slower
from tests.ui.made import GOOD_START, make_session

pytestmark = pytest.mark.slow


def test_who_is_connected_to_nobody_is_told_how_to_connect(notebook):
    done = notebook.run("1 + 1", check=False)
    assert done.failed
    assert done.reply["ename"] == "NotConnected"
    assert "%connect local 1" in done.errors
    assert "Not connected" in notebook.run("%status").text
    helped = notebook.run("%help")
    assert all(name in helped.text for name in ("%connect", "%budget hoodi 1"[:7], "%disconnect", "%pip install"))
    assert "<table>" in helped.data[0]["text/html"]
    assert "Every field" in notebook.run("%connect?").text


def test_a_budget_is_chosen_and_a_retired_network_explained(notebook):
    assert "up to 0.25 tGLM" in notebook.run("  %budget local 0.25").text
    done = notebook.run("%budget goerli 1")
    assert "'goerli' is retired: 'hoodi' is used instead" in done.errors
    assert "on Hoodi" in done.text
    for wrong in ("%budget local", "%budget local much", "%budget nowhere 1", "%budget local -1"):
        assert notebook.run(wrong, check=False).failed, wrong
    assert notebook.run("%connect mem=x", check=False).reply["ename"] == "RequestError"
    refused = [notebook.run(f"%{command} local -1", check=False).reply["evalue"] for command in ("budget", "connect")]
    assert refused[0] == refused[1]
    assert "'one' is no amount" in notebook.run("%connect local one", check=False).errors
    assert "Did you mean %connect?" in notebook.run("%conect local 1", check=False).errors


@pytest.mark.parametrize("words", ["polygon", "network=polygon", "mainnet mem>1"])
def test_real_money_is_spent_where_somebody_said_how_much(notebook, words):
    """What was said of one network does not count on another."""
    notebook.run("%budget local 1")
    assert "nobody said how much" in notebook.run(f"%connect {words}", check=False).errors
    notebook.run("%autoconnect on network=polygon")
    done = notebook.run("1", check=False)
    assert done.reply["ename"] == "RequestError"
    assert "%connect polygon 1" in done.errors


def test_the_network_that_was_chosen_before_is_named_though_the_start_fails(notebook):
    for words in ("hoodi resume=nothing-saved", "resume=nothing-saved"):
        done = notebook.run(f"%connect {words}", check=False)
        assert done.failed, words
        assert done.text.startswith("Connecting to a provider on Hoodi (test)"), words


def test_attach_offers_sessions_that_run(notebook):
    """What looks after a session outlives it, until the bill is settled."""
    made = [
        make_session("over", (*GOOD_START, Stage.FAILED)),
        make_session("a-job", asked={"workload": "tasks"}, workload="tasks"),
        make_session("begins", GOOD_START[:3]),
        make_session("there"),
    ]
    try:
        listed = notebook.run("%attach").text
        complete = notebook.client.complete("%attach ", 8)
        names = notebook.reply_to(complete)["matches"]
    finally:
        for one in made:
            shutil.rmtree(one.path)
    assert "begins" in listed
    assert "Like: %attach there" in listed
    assert not {"over", "a-job"} & set(listed.split())
    assert names == ["there"]


def test_where_to_send_real_money_is_said_with_the_amount(notebook):
    notebook.run("%budget polygon 0.25")
    try:
        done = notebook.run("%fund polygon")
    finally:
        node_manager.stop_node()
    assert re.search(r"Send 0.25 GLM, and a little POL for fees, on Polygon", done.text)
    assert re.search(r"address: +0x[0-9a-f]{40}", done.text)
    assert "network=polygon" in done.text
    assert "identity backup" in done.text
    assert "█" in done.text  # a QR code, for terminals
    assert "<svg" in done.data[-1]["text/html"]


def test_a_notebook_moves_to_another_provider_with_its_files_and_variables(notebook, open_notebook):
    first = notebook.connect("local 1 mem>0.5")
    # In one cell: what was assigned last is kept, too.
    done = notebook.run("open('kept.txt', 'w').write('kept')\nx = 1\nmine = open('kept.txt')\n%move mem>1")
    assert "it cost" in done.text
    assert "Connected to " in done.text
    assert f"Connected to {first.state().head.provider_name}" not in done.text
    assert "at least 1 GiB of memory" in done.text
    assert "Variables come with the next cell" in done.text
    assert first.state().stage is Stage.ENDED
    assert "for at most 1 " not in done.text
    second = next(liveness.living())
    assert second.name != first.name
    assert 0 < second.request().budget + first.state().cost <= 1  # one budget for both
    done = notebook.run("print(open('kept.txt').read(), x)")
    assert "x came back; lost: mine (an open file)" in done.text
    assert done.text.strip().endswith("kept 1")
    assert notebook.run("print(x)").text.strip() == "1"  # it is said once
    saved = re.search(r"in workspace '([^']+)'", notebook.run("y = 2\n%disconnect").text)[1]
    # Another kernel, which knows no more of the notebook than that one did, resumes it.
    another = open_notebook()
    another.run(f"%connect local 1 resume={saved}")
    assert another.run("print(x + y)").text.strip().endswith("came back. See %state\n3")
    another.restart()
    assert another.run("x", check=False).reply["ename"] == "NameError"  # as whoever restarts a kernel wants it
    another.run("%disconnect")


def test_the_next_cells_are_aborted_when_a_command_fails(notebook):
    # A kernel of this computer has to start first: the next cell is here before this one fails.
    sent = [notebook.client.execute(code) for code in ("%%golem local\n1 / 0", "%status")]
    assert [notebook.reply_to(one)["status"] for one in sent] == ["error", "aborted"]  # in this order


def test_tab_completes_commands_networks_and_fields(notebook):
    def complete(code):
        return notebook.reply_to(notebook.client.complete(code, len(code)))["matches"]

    assert complete("%conn") == ["%connect"]
    assert complete("x = 1\n%budget ho") == ["hoodi", "holesky"]
    assert complete("%connect strategy=r") == ["strategy=random", "strategy=reputation"]
    assert "mem>" in complete("%connect local me")
    (notebook.folder / "project" / "src").mkdir(parents=True)
    assert complete("%sync pro") == ["project"]
    assert complete("%sync project/s") == ["project/src"]
    assert complete("%sync o") == ["off"]
    asked = notebook.client.inspect("%budget", 4)
    assert "NETWORK AMOUNT" in notebook.reply_to(asked)["data"]["text/plain"]


def test_its_sockets_are_private(notebook):
    file = Path(notebook.manager.connection_file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    session = notebook.client.session
    session.key, key = b"wrong", session.key
    forged = notebook.client.kernel_info()
    session.key = key
    signed, answered = notebook.client.kernel_info(), []
    while signed not in answered:
        answered.append(notebook.client.get_shell_msg(timeout=20 * slower())["parent_header"]["msg_id"])
    assert forged not in answered


def test_from_connect_to_the_bill(notebook):
    done = notebook.run("%connect local 1 mem>0.5 save_seconds=1 strategy=bestprice timeout=2m")
    assert re.search(r"Connecting to a provider on This computer: connected", done.text)
    provider = re.search(r"Connected to (first|second|third)\n", done.text)[1]
    name = re.search(r"session: +(\S+)", done.text)[1]
    assert done.updates >= 1
    assert "connected already" in notebook.run("%connect local 1", check=False).errors
    assert "'mem=x'" in notebook.run("%connect local 1 mem=x", check=False).errors
    done = notebook.run("%conect local 1", check=False)
    assert re.search("not found.*Did you mean %connect\\?", done.errors, re.DOTALL)
    done = notebook.run("x = 20\n%status\nx + 22")
    assert "provider:" in done.text
    assert "at least 0.5 GiB of memory" in done.text
    assert done.text.rstrip().endswith("42")
    assert done.kinds.count("execute_input") == 1
    assert [kind for kind in done.kinds if kind == "status"] == ["status"] * 2
    done = notebook.run("%status\n1/0\nprint('not this')", check=False)
    assert (done.failed, done.reply["ename"], "not this" in done.text) == (True, "ZeroDivisionError", False)
    assert notebook.run("import os; print(os.getpid())").text != str(os.getpid())
    done = notebook.run("%disconnect")
    assert f"Disconnected from {provider}" in done.text
    assert "it cost" in done.text
    assert re.search(r"saved: +\d+ files? at .* in workspace", done.text)  # the variables
    assert "not saved" not in session_directory(name).supervisor_log.read_text()  # by a machine that is let go
    assert session_directory(name).state().stage is Stage.ENDED
    assert notebook.run("x", check=False).reply["ename"] == "NotConnected"


def test_closing_a_notebook_ends_its_session(open_notebook):
    notebook = open_notebook()
    name = notebook.connect().name
    notebook.restart()
    assert notebook.run("print('still there')").text.strip() == "still there"
    assert session_directory(name).state().stage is Stage.READY
    notebook.run("open('kept.txt', 'w').write('kept')")
    notebook.run("%save")
    other, after = open_notebook(), open_notebook()
    other.run(f"%connect session={name}")
    for one in (notebook, other):  # at once, as when Jupyter is: one of them ends it
        one.client.shutdown()
    saved = session_directory(name).state().saving.workspace
    client.wait_for(session_directory(name), lambda state: state.stage is not Stage.READY, 60 * slower())
    after.run(f"%connect local 1 resume={saved}")  # which may be saving still
    assert session_directory(name).state().stage is Stage.ENDED
    assert after.run("print(open('kept.txt').read())").text.strip() == "kept"
