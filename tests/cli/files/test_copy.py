"""``golem-launcher cp`` on a session that runs: files and folders, either way, while its work is saved."""

import os

import pytest

from golem_launcher.session import client
from golem_launcher.workspace.repository.autorun_files import LOOK_FIRST
from tests.session.conftest import command

_LARGE = 20_000_000


def test_there_and_back_beside_a_save(remote_session, tmp_path):
    directory, _ = remote_session
    folder = tmp_path / "data"
    (folder / "below").mkdir(parents=True)
    (folder / "large").write_bytes(os.urandom(_LARGE))
    (folder / "below/small").write_text("small")
    _, told, _ = command("cp", str(folder), f"{directory.name}:", "--json")
    assert (told["files"], told["bytes"], told["left_out"]) == (2, _LARGE + 5, {})
    client.save(directory.name)
    assert command("cp", f"{directory.name}:data", str(tmp_path / "back"))[1].startswith("Copied 2 files (19.1 MiB, ")
    for name in ("large", "below/small"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()
    assert command("cp", f"{directory.name}:data/large", f"{directory.name}:data/below/small", str(tmp_path))[0] == 0
    assert (tmp_path / "small").read_text() == "small"
    (tmp_path / "new").mkdir()
    (tmp_path / "back").rename(tmp_path / "new/data")  # as `cp` has it: what is copied to a folder comes into it
    assert "2 there already" in command("cp", f"{directory.name}:data/", str(tmp_path / "new"))[1]
    assert not list(directory.scratch.glob("pieces-*"))
    (folder / "below/.git").mkdir()
    (folder / "below/.git/config").write_text("[core]\n")
    command("cp", str(folder / "below"), f"{directory.name}:")
    _, _, said = command("cp", f"{directory.name}:below", str(tmp_path / "named"))
    assert f"{LOOK_FIRST}\n  {tmp_path}/named/.git/\n" in said
    _, told, _ = command("cp", f"{directory.name}:below", str(tmp_path / "again"), "--json")
    assert told["could_run"] == [f"{tmp_path}/again/.git/config"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tunnel:none", "."), "There is nothing at none"),
        (("here", "there"), "One side"),
        (("tunnel:a", "tunnel:b"), "One side"),
        (("tunnel:a", "other:b", "."), "One side"),
        (("only",), "One side"),
        (("tunnel:a", "tunnel:b", "no-folder"), "no-folder is no folder"),
    ],
)
def test_what_can_not_be_copied_is_bad_usage(remote_session, arguments, said):  # noqa: ARG001 - it must be up
    code, _, error = command("cp", *arguments, check=False)
    assert code == 2
    assert said in error
