"""What is left out of a workspace: the patterns mean what they mean to git."""

import subprocess

from golem_launcher.agent.workspace import ignore
from golem_launcher.agent.workspace.index import Index

PATTERNS = """
*.log
!keep.log
/top.txt
data/
docs/*.pdf
**/deep/x
a/**/z
name[0-9].b?n
!.cache/
with\\ space
# a comment
"""
PATHS = [
    "x.log", "keep.log", "d/x.log", "top.txt", "d/top.txt", "data/f", "d/data/f", "docs/a.pdf", "docs/d/a.pdf",
    "deep/x", "d/deep/x", "a/z", "a/b/c/z", "name1.bin", "namex.bin", "d/name2.ban", ".cache/f", "__pycache__/f.pyc",
    "with space", "plain.txt", "# a comment", "d/.ipynb_checkpoints/n.ipynb",
]  # fmt: skip


def test_patterns_mean_what_they_mean_to_git(tmp_path):
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / ".golemignore").write_text(PATTERNS)
    (tmp_path / ".gitignore").write_text("\n".join(ignore.DEFAULTS) + PATTERNS)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    listed = subprocess.run(
        ["git", "-C", tmp_path, "ls-files", "-zo", "--exclude-standard"], check=True, capture_output=True, text=True
    )
    wanted = set(listed.stdout.split("\0")) - {"", ".gitignore", ".golemignore"}
    (tmp_path / ".golemignore").write_text(PATTERNS + ".git/\n")
    found = {line[1] for line in Index(str(tmp_path)).walk(0) if line[0] == "f"} - {".gitignore", ".golemignore"}
    assert found == wanted
