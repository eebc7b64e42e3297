from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.session.lab import _LARGEST_LOG, _LogFile
from golem_launcher.text import LONGEST_LINE


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_only_clean_lines_reach_the_file(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("log") / "lab.log"
    log = _LogFile(path)
    for piece in pieces:
        log.append(piece)
    written = path.read_text() if path.exists() else ""
    assert written.count("\n") == b"".join(pieces).count(b"\n")
    assert all(character.isprintable() or character in "\t\n " for character in written)


def test_a_line_of_megabytes_is_cut_and_the_file_ends_somewhere(tmp_path):
    log = _LogFile(tmp_path / "lab.log")
    log.append(b"x" * 1_000_000 + b"\n")
    assert (tmp_path / "lab.log").stat().st_size <= 4 * LONGEST_LINE
    while not log.full:
        log.append((b"y" * 4000 + b"\n") * 200)
    assert (tmp_path / "lab.log").stat().st_size <= _LARGEST_LOG + 100
    assert "too long" in (tmp_path / "lab.log").read_text()[-100:]
