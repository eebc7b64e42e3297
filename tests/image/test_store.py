"""Images that are kept on this computer: by name, by content, whole or not there."""

import errno
import json
import os
import threading

import pytest
from typer.testing import CliRunner

from golem_launcher.cli.main import app
from golem_launcher.errors import ImageError, RequestError
from golem_launcher.image import build, gvmi, lock
from golem_launcher.image.file_contents import FileContents
from golem_launcher.image.progress import BuildStep
from golem_launcher.image.squashfs import write_squashfs
from golem_launcher.image.store import ImageStore
from golem_launcher.image.tree import ImageTree


def image_file(path, word="hello", settings=None):
    """A Golem image with one file in it."""
    contents = FileContents(path.parent)
    tree = ImageTree(contents)
    tree.write("word", word)
    with path.open("wb") as out:
        write_squashfs(tree, out, when=0, progress=lambda *_: None)
        gvmi.append(out, {"WorkingDir": "/golem/work"} if settings is None else settings)
    contents.close()
    return path


@pytest.fixture
def making(monkeypatch):
    """Stands in for the making of an image, which takes a minute: what is told, what comes out, how often."""
    made = []

    def quick(wanted, out, downloads, *, told):
        assert downloads.is_dir()
        told(BuildStep("Packing", 1, 2))
        image_file(out, wanted.variant)
        made.append(wanted.variant)

    monkeypatch.setattr(build, "build", quick)
    return made


def test_an_image_is_made_once(tmp_path, making):
    store, told = ImageStore(tmp_path / "images"), []
    image = store.make("base", told=told.append)
    assert image == store.make("base", told=told.append) == store.get("base") == store.find("base")
    assert image.hash == gvmi.image_hash(image.path)
    assert image.current
    assert making == ["base"]
    assert told == [BuildStep("Packing", 1, 2)]
    assert store.make("base", "mine", told=told.append).path == image.path  # the same content lies there once
    assert [image.name for image in store.images()] == ["base", "mine"]
    store.make("base", told=told.append, again=True)
    assert making == ["base"] * 3


def test_one_of_an_older_recipe_is_made_again(tmp_path, making, monkeypatch):
    store = ImageStore(tmp_path / "images")
    store.make("base", told=print)
    monkeypatch.setattr(lock, "_FORMAT", b"another")
    assert not store.find("base").current
    assert store.make("base", told=print).current
    assert len(making) == 2


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (BrokenPipeError(), BrokenPipeError),
        (ImageError("no network"), ImageError),
        (OSError(errno.ENOSPC, "No space left"), "There is no room left in .*images for the image. Make room"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/one"), r"No such file \(/one\). Was it removed meanwhile"),
    ],
)
def test_nothing_half_is_left(tmp_path, monkeypatch, error, told):
    def failing(_wanted, out, _downloads, *, told):
        out.write_bytes(b"half")
        told(BuildStep("Packing"))
        raise error

    monkeypatch.setattr(build, "build", failing)
    store = ImageStore(tmp_path / "images")
    expected = {"match": told} if isinstance(told, str) else {}
    with pytest.raises(ImageError if expected else told, **expected):
        store.make("base", told=lambda _: None)
    assert store.images() == []
    assert {path.name for path in (tmp_path / "images").iterdir()} == {".lock", ".packages"}


@pytest.mark.usefixtures("making")
def test_what_a_killed_making_left_is_removed_by_the_next(tmp_path):
    left = tmp_path / "images/.making-killed"
    left.mkdir(parents=True)
    (left / "image").write_bytes(b"half")
    ImageStore(tmp_path / "images").make("base", told=lambda _: None)
    assert not left.exists()


def test_who_comes_meanwhile_waits_and_makes_nothing(tmp_path, monkeypatch):
    began, go, made = threading.Event(), threading.Event(), []

    def slow(_wanted, out, _downloads, *, told):
        told(BuildStep("Packing"))
        began.set()
        assert go.wait(60)
        made.append(image_file(out))

    monkeypatch.setattr(build, "build", slow)
    images, told = [], []

    def make(tell):
        images.append(ImageStore(tmp_path / "images").make("base", told=tell))

    def waits(step):
        told.append(step)
        go.set()

    first = threading.Thread(target=make, args=(lambda _: None,))
    first.start()
    assert began.wait(60)
    make(waits)
    first.join()
    assert told[0].name.startswith("Waiting for another program")
    assert len(made) == 1
    assert images[0] == images[1]


@pytest.mark.usefixtures("making")
def test_removing_leaves_no_file(tmp_path):
    store = ImageStore(tmp_path / "images")
    path = store.make("base", told=lambda _: None).path
    store.make("base", "mine", told=lambda _: None)
    store.remove("base")
    assert path.is_file()  # "mine" is the same
    store.remove("mine")
    assert not path.exists()
    with pytest.raises(RequestError, match="no image 'mine'"):
        store.remove("mine")


@pytest.mark.parametrize("name", ["../up", "a/b", "", "A", "x" * 41, ".lock"])
def test_a_name_is_no_path(tmp_path, name):
    store = ImageStore(tmp_path)
    assert store.get(name) is None
    with pytest.raises(RequestError):
        store.add(image_file(tmp_path / "image"), name)


def test_what_ends_otherwise_is_no_image(tmp_path):
    good = image_file(tmp_path / "good")
    assert gvmi.settings(good) == {"WorkingDir": "/golem/work"}
    content = good.read_bytes()
    broken = [b"", b"hsqs", content[:-1], content[:-9] + b"x" + content[-8:], b"xxxx" + content[4:],
              content[:-8] + b"99999999", content[:-8] + b"-0000001", os.urandom(5000)]  # fmt: skip
    for number, bad in enumerate(broken):
        path = tmp_path / f"bad-{number}"
        path.write_bytes(bad)
        with pytest.raises(ImageError, match="no Golem image"):
            ImageStore(tmp_path / "images").add(path, "bad")
    assert ImageStore(tmp_path / "images").images() == []
    with pytest.raises(ImageError, match="There is no file"):
        gvmi.settings(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")  # to open it would take for ever
    for other in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ImageError, match="is no file"):
            gvmi.settings(other)


def run(*arguments):
    return CliRunner().invoke(app, ["image", *arguments])


@pytest.mark.usefixtures("making")
def test_the_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path / "home"))
    assert "not yet" in run("list").stdout
    made = run("build")
    assert made.exit_code == 0
    assert "Packing … 1 of 2 bytes" in made.stderr
    assert "Use it: golem-launcher start --network NETWORK --image sklearn" in made.stdout
    assert json.loads(run("build", "--json").stdout)["current"] is True
    assert run("add", str(image_file(tmp_path / "own.gvmi", "mine")), "--name", "mine").exit_code == 0
    listed = run("list").stdout
    assert listed.startswith("NAME ")
    assert "a file" in listed
    assert [image["name"] for image in json.loads(run("list", "--json").stdout)] == ["mine", "sklearn"]
    about = run("info", "mine").stdout
    assert ImageStore().find("mine").hash in about
    assert "at 10 Mbit/s" in about
    assert json.loads(run("info", "mine", "--json").stdout)["settings"] == {"WorkingDir": "/golem/work"}
    assert run("remove").exit_code == 2
    assert run("remove", "mine", "--packages").exit_code == 0
    wrong = run("info", "mine")
    assert wrong.exit_code == 2
    assert "There is: sklearn" in wrong.stderr
    nothing = run("build", "pytorch")
    assert nothing.exit_code == 2
    assert "base, gpu, sklearn, tensorflow" in nothing.stderr


@pytest.mark.usefixtures("making")
def test_pushing_takes_golems_own_program(tmp_path, monkeypatch):
    monkeypatch.setenv("GOLEM_LAUNCHER_HOME", str(tmp_path / "home"))
    run("build", "base")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert "pip install gvmkit-build" in run("push", "base", "me/lab:base").stderr
    assert run("push", "base", "no-tag").exit_code == 2
    program = tmp_path / "gvmkit-build"
    program.write_text('#!/bin/sh\necho "$REGISTRY_URL $*" >"$0.said"\n[ -s "$2" ]\n')
    program.chmod(0o755)
    assert run("push", "base", "me/lab:base").exit_code == 0
    said = (tmp_path / "gvmkit-build.said").read_text().split()
    assert said[0] == "https://registry.golem.network"
    assert (said[1], said[3:]) == ("--direct-file-upload", ["--push-to", "me/lab:base"])
    assert run("push", "base").exit_code == 0
    assert (tmp_path / "gvmkit-build.said").read_text().split()[3:] == ["--push", "--nologin"]
    program.write_text("#!/bin/sh\nexit 3\n")
    assert run("push", "base").exit_code == 1
