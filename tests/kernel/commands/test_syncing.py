"""``%sync``: a project's folder through a session, in both directions."""

import time
from pathlib import Path

import pytest

from tests.patience import slower

pytestmark = pytest.mark.slow

_SECONDS = 60


def _until(condition, what):
    """Wait until this is so: what is changed comes with the next look or the next save."""
    deadline = time.monotonic() + _SECONDS * slower()
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _text(path):
    return path.read_text() if path.exists() else None


def test_a_folder_is_kept_equal_in_both_directions(open_notebook):
    notebook = open_notebook()
    project = Path(notebook.folder, "src")
    (project / "data").mkdir(parents=True)
    (project / "tool.py").write_text("x = 1")
    (project / "data" / "big.bin").write_bytes(bytes(range(256)) * 20_000)
    (project / ".env").write_text("secret")
    (project / "link").symlink_to("/etc/passwd")
    assert "NotConnected" in notebook.run("%sync src", check=False).errors
    notebook.connect("local 1 save_seconds=1")
    assert "Like: %sync ." in notebook.run("%sync").text
    for wrong in ("%sync nowhere", "%sync ~", "%sync src data", "%sync 'src"):
        assert notebook.run(wrong, check=False).reply["ename"] == "RequestError", wrong

    Path(notebook.folder, "huge").mkdir()
    with Path(notebook.folder, "huge", "data.bin").open("wb") as file:
        file.truncate(100 << 30)
    assert "and the session a disk of" in notebook.run("%sync huge", check=False).errors  # and it was not read

    done = notebook.run("%sync src")
    assert "equal: 2 files" in " ".join(done.text.split())
    assert "links are not followed" in done.errors
    notebook.run(
        "import os\n"
        "assert open('src/tool.py').read() == 'x = 1'\n"
        "assert open('src/data/big.bin', 'rb').read() == bytes(range(256)) * 20_000\n"
        "assert sorted(one for one in os.listdir('src') if one[0] != '.') == ['data', 'tool.py']"
    )

    # Each side's changes come to the other by themselves.
    (project / "tool.py").write_text("x = 2")
    (project / "new.txt").write_text("new")
    notebook.run(
        "import time\nend = time.monotonic() + 60\n"
        "def read(path):\n    return open(path).read() if os.path.exists(path) else None\n"
        "while read('src/tool.py') != 'x = 2' or read('src/new.txt') != 'new':\n"
        "    assert time.monotonic() < end\n    time.sleep(0.1)\n"
        "os.mkdir('src/out')\nopen('src/out/result.csv', 'w').write('1,2')"
    )
    _until(lambda: _text(project / "out" / "result.csv") == "1,2", "what is made there comes here")

    # What is changed on both sides is kept twice; what is removed goes to the trash; what could run does not come.
    notebook.run("%sync off")
    (project / "tool.py").write_text("x = 'mine'")
    (project / "new.txt").unlink()
    notebook.run(
        "open('src/tool.py', 'w').write(\"x = 'theirs'\")\nos.remove('src/data/big.bin')\n"
        "open('src/conftest.py', 'w').write('boom')\nopen('src/.envrc', 'w').write('boom')"
    )
    done = notebook.run("%sync src")
    assert "tool.py was changed on both sides" in done.errors
    assert "conftest.py: some program would run it by itself" in done.errors
    assert _text(project / "tool.py") == "x = 'mine'"
    assert _text(project / "tool (there).py") == "x = 'theirs'"
    assert sorted(one.name for one in project.iterdir()) == [
        ".env", ".golem-trash", "link", "out", "tool (there).py", "tool.py",
    ]  # fmt: skip
    trash = [str(one.relative_to(project / ".golem-trash")).partition("/")[2] for one in project.rglob("*")
             if one.is_file() and ".golem-trash" in one.parts]  # fmt: skip
    assert {"new.txt", "data/big.bin"} <= set(trash)
    notebook.run(
        "assert open('src/tool.py').read() == \"x = 'mine'\"\n"
        "assert open('src/tool (there).py').read() == \"x = 'theirs'\"\nassert not os.path.exists('src/new.txt')"
    )
    assert "changed on both sides" not in notebook.run("%sync").errors


def test_losses_restarts_and_later_sessions_change_nothing(open_notebook, lose):
    notebook = open_notebook()
    project = Path(notebook.folder, "src")
    project.mkdir()
    (project / "tool.py").write_text("x = 1")
    directory = notebook.connect()
    assert "equal: 1 file" in " ".join(notebook.run("%sync src").text.split())
    waiting = notebook.start("import time; print('begun', flush=True); time.sleep(300)")
    notebook.until_printed("begun")
    lose(directory)
    (project / "tool.py").write_text("x = 'meanwhile'")
    assert notebook.reply_to(waiting)["ename"] == "ProviderLost"
    assert "went on at" in notebook.run("import os").errors
    notebook.run("%sync")
    assert notebook.run("print(open('src/tool.py').read())").text.strip() == "x = 'meanwhile'"
    notebook.restart()
    notebook.run("open('src/last.txt', 'w').write('last')")
    done = notebook.run("%disconnect")
    assert _text(project / "last.txt") == "last"
    assert _text(project / "tool.py") == "x = 'meanwhile'"

    # A later session with the same files goes on from there; one with others gets the folder anew.
    (project / "tool.py").write_text("x = 'later'")
    notebook.run(f"%connect local 1 resume={directory.state().saving.workspace}")
    done = notebook.run("%sync")
    assert "both sides" not in done.errors
    assert notebook.run("print(open('src/tool.py').read())").text.strip() == "x = 'later'"

    # What the last cell writes comes as well where the notebook is closed at once, and nothing here is written over.
    notebook.run("open('src/closing.bin', 'wb').write(bytes(30_000_000))\nopen('src/tool.py', 'w').write('theirs')")
    (project / "tool.py").write_text("mine")
    notebook.manager.shutdown_kernel()
    _until(lambda: _text(project / "tool (there).py") == "theirs", "what was saved at the end comes here")
    _until((project / "closing.bin").exists, "so does a large file")
    assert (project / "closing.bin").stat().st_size == 30_000_000
    assert _text(project / "tool.py") == "mine"
