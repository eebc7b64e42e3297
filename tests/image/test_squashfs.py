"""Our squashfs, with ``unsquashfs`` as the witness: what was put in comes out."""

import os
import shutil
import stat
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golem_launcher.errors import ImageError
from golem_launcher.image import squashfs
from golem_launcher.image.file_contents import FileContents
from golem_launcher.image.tree import ImageTree, directory, file, link

pytestmark = pytest.mark.skipif(shutil.which("unsquashfs") is None, reason="needs squashfs-tools")
WHEN = 1_700_000_000


def write(tree, path):
    with path.open("wb") as out:
        squashfs.write_squashfs(tree, out, when=WHEN, progress=lambda _done, _total: None)
    return path


def unpacked(image, to):
    subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-dest", to, image], check=True, capture_output=True)
    return to


def listing(image):
    """Each path with its mode, owner and size, as unsquashfs reads them."""
    done = subprocess.run(["unsquashfs", "-llnumeric", image], check=True, capture_output=True, text=True)
    lines = [line.split(maxsplit=5) for line in done.stdout.splitlines() if " squashfs-root" in line]
    return {
        path.removeprefix("squashfs-root").lstrip("/"): (mode, owner, size) for mode, owner, size, _, _, path in lines
    }


@pytest.fixture
def tree(tmp_path):
    contents = FileContents(tmp_path)
    yield ImageTree(contents)
    contents.close()


def test_files_of_every_size_around_a_block(tree, tmp_path):
    sizes = [0, 1, squashfs.BLOCK - 1, squashfs.BLOCK, squashfs.BLOCK + 1, 3 * squashfs.BLOCK + 17]
    contents = {f"file-{size}": os.urandom(size) for size in sizes}
    contents |= {f"even-{size}": b"a" * size for size in sizes}
    for name, content in contents.items():
        tree.write(f"some/{name}", content)
    root = unpacked(write(tree, tmp_path / "image"), tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (root / "some").iterdir()} == contents


def test_modes_owners_links_and_times(tree, tmp_path):
    tree.put("home", directory(0o1777))
    tree.put("bin/su", file(tree.contents.add(b"su"), 0o4755))
    tree.put("etc/shadow", file(tree.contents.add(b"root"), 0o640, gid=42))
    tree.put("of", directory(0o700, uid=1000, gid=70000))
    tree.put("sh", link("bin/su"))
    image = write(tree, tmp_path / "image")
    seen = listing(image)
    assert seen["home"][:2] == ("drwxrwxrwt", "0/0")
    assert seen["bin/su"] == ("-rwsr-xr-x", "0/0", "2")
    assert seen["etc/shadow"][:2] == ("-rw-r-----", "0/42")
    assert seen["of"][:2] == ("drwx------", "1000/70000")
    assert seen["sh -> bin/su"][0] == "lrwxrwxrwx"
    root = unpacked(image, tmp_path / "out")
    assert (root / "bin/su").stat().st_mtime == WHEN
    assert (root / "sh").readlink().as_posix() == "bin/su"


@pytest.mark.slow
def test_a_directory_with_very_many_files_is_found_whole(tree, tmp_path):
    names = [f"a-rather-long-name-of-a-file-{number:05d}" for number in range(5000)]
    for name in names:
        tree.write(f"many/{name}", name)
    root = unpacked(write(tree, tmp_path / "image"), tmp_path / "out")
    assert sorted(path.name for path in (root / "many").iterdir()) == names
    assert (root / "many" / names[4321]).read_text() == names[4321]


def test_the_same_content_lies_there_once(tree, tmp_path):
    content = os.urandom(2 * squashfs.BLOCK + 5)
    for name in "abcdef":
        tree.write(name, content)
    assert write(tree, tmp_path / "image").stat().st_size < 1.2 * len(content)


def test_the_same_tree_makes_the_same_bytes(tmp_path):
    def made(name, order):
        contents = FileContents(tmp_path)
        tree = ImageTree(contents)
        for path in order:
            tree.write(path, path * 1000)
        image = write(tree, tmp_path / name).read_bytes()
        contents.close()
        return image

    assert made("one", ["x/a", "b", "x/c"]) == made("two", ["x/c", "x/a", "b"])


_NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 200
)


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.dictionaries(st.lists(_NAMES, min_size=1, max_size=4).map("/".join), st.binary(max_size=300), max_size=25))
def test_any_tree_comes_out_as_it_went_in(tmp_path_factory, wanted):
    scratch = tmp_path_factory.mktemp("any")
    contents, kept = FileContents(scratch), {}
    tree = ImageTree(contents)
    for path, content in wanted.items():
        try:
            tree.write(path, content)
        except ImageError:  # it is a directory, or lies in a file
            continue
        kept[path] = content
    root = unpacked(write(tree, scratch / "image"), scratch / "out")
    contents.close()
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert found == kept


def test_what_ends_the_work_leaves_no_thread(tree, tmp_path):
    tree.write("big", os.urandom(20 * squashfs.BLOCK))

    def stop(done, _total):
        if done > 5 * squashfs.BLOCK:
            raise KeyboardInterrupt

    with (tmp_path / "image").open("wb") as out, pytest.raises(KeyboardInterrupt):
        squashfs.write_squashfs(tree, out, when=WHEN, progress=stop)


def test_a_path_is_followed_through_links_inside_the_root(tree):
    tree.put("usr/bin", directory())
    tree.put("bin", link("usr/bin"))
    tree.put("var/run", link("/run"))
    tree.put("up", link("../../.."))
    tree.write("bin/sh", "sh")
    tree.write("var/run/x", "x")
    tree.write("up/etc/passwd", "p")
    assert {"usr/bin/sh", "run/x", "etc/passwd"} <= {path for path, _ in tree}
    tree.put("loop", link("loop"))
    with pytest.raises(ImageError, match="circle"):
        tree.write("loop/x", "")
    with pytest.raises(ImageError, match="disagree"):
        tree.write("bin/sh/x", "")


def test_dropping_takes_what_is_inside(tree):
    tree.write("a/b/c", "c")
    tree.write("a/d", "d")
    tree.drop(lambda path, entry: path == "a/b" and stat.S_ISDIR(entry.mode))
    assert {path for path, _ in tree} == {"", "a", "a/d"}
