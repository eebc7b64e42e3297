"""Which image a session takes, and how one that is not there is made: in a process of its own, which can be stopped."""

import asyncio
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from golem_launcher import paths
from golem_launcher.errors import ImageError, RequestError
from golem_launcher.image import lock, upload_estimate
from golem_launcher.image.store import ImageStore
from golem_launcher.localnet.spec import BASE_IMAGE
from golem_launcher.node.gftp import offering
from golem_launcher.rental import image
from golem_launcher.rental.image import SessionImage
from golem_launcher.request import parse_request
from golem_launcher.session.preparation import preflight
from golem_launcher.session.preparation.image_and_packages import (
    IMAGE_VARIABLE,
    ImageAndPackages,
    image_and_packages,
    upload_of,
)
from golem_launcher.software import SOFTWARE
from tests.image.test_store import image_file
from tests.patience import slower

DIGEST = "a" * 56


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(IMAGE_VARIABLE, raising=False)
    return tmp_path / "home"


@pytest.fixture
def node(monkeypatch):
    """Stands in for the node that serves the file: tests/node/gftp has real ones."""

    async def start(_):
        return f"gftp://0x{'0' * 40}/name"

    monkeypatch.setattr(offering.Offering, "start", start)


async def prepared(chosen):
    told, said = [], []
    await chosen.prepare(making=lambda *step: told.append(step), say=said.append)
    return told, said


def chosen(network="hoodi", **fields):
    request = parse_request({"name": "a", "budget": 1, "network": network, **fields})
    wanted = image_and_packages(request)
    return SessionImage(wanted.image, variant=wanted.variant, network=network, registry_url="http://127.0.0.1:9")


@pytest.mark.usefixtures("node")
def test_one_of_this_computers_is_demanded_by_its_hash_at_our_node(tmp_path, monkeypatch):
    kept = ImageStore().add(image_file(tmp_path / "own"), "mine")
    asked_for = chosen(image="mine")
    monkeypatch.setenv(IMAGE_VARIABLE, "mine")
    for one in (asked_for, chosen()):
        _, said = asyncio.run(prepared(one))
        assert asyncio.run(one.task_package()) == f"hash:sha3:{kept.hash}:gftp://0x{'0' * 40}/name"
        assert upload_estimate.upload(kept.size).words in said[0]
        assert one.size == kept.size
        assert not one.familiar
        asyncio.run(one.aclose())


def test_others_are_taken_as_they_are_named():
    address = f"hash:sha3:{DIGEST}:https://example.org/own.gvmi"
    one = chosen(image=address)
    assert asyncio.run(prepared(one)) == ([], [])
    assert asyncio.run(one.task_package()) == address
    assert chosen("local").familiar
    assert chosen("local").served is None


def test_a_name_that_is_none_says_what_there_is(tmp_path):
    ImageStore().add(image_file(tmp_path / "own"), "mine")
    with pytest.raises(RequestError, match="no image 'other'") as refused:
        asyncio.run(prepared(chosen(image="other")))
    assert "There is: mine" in refused.value.remedy


@pytest.mark.parametrize(
    "name", ["../up", "a b", "me/lab:1 x", "hash:sha3:abc:http://x", f"hash:sha3:{DIGEST}:file:///x"]
)
def test_what_can_be_no_image_is_refused_at_once(name):
    with pytest.raises(RequestError, match="image"):
        chosen(image=name)


def wanted(**fields):
    return image_and_packages(parse_request({"name": "a", "budget": 1, "packages": ["rich"], **fields}))


def test_a_software_choice_is_an_image_where_there_is_one_of_it_and_packages_elsewhere(monkeypatch):
    torch = SOFTWARE["pytorch"].packages
    assert wanted(network="hoodi", software="sklearn") == ImageAndPackages("", "sklearn", ("rich",))
    assert wanted(network="hoodi", software="pytorch") == ImageAndPackages("", "base", (*torch, "rich"))
    assert wanted(network="hoodi", software="pytorch", image="me/own:1").packages == ("rich",)
    assert wanted(network="local", software="pytorch").packages == (*torch, "rich")
    assert wanted(network="local", software="pytorch").image == BASE_IMAGE
    monkeypatch.setenv(IMAGE_VARIABLE, "me/own:2")
    assert wanted(network="hoodi", software="pytorch") == ImageAndPackages("me/own:2", "base", ("rich",))


def test_what_newcomers_need_is_there_where_an_image_has_it_and_notebooks_run():
    assert wanted(network="hoodi") == ImageAndPackages("", "sklearn", ("rich",))
    assert wanted(network="local") == ImageAndPackages(BASE_IMAGE, "base", ("rich",))  # installed at each start there
    assert wanted(network="hoodi", workload="tasks") == ImageAndPackages("", "base", ("rich",))
    assert wanted(network="hoodi", software="base") == ImageAndPackages("", "base", ("rich",))


def test_what_is_sent_from_here_is_known_before_it_is_made(tmp_path, monkeypatch):
    def of(**fields):
        return upload_of(parse_request({"name": "a", "budget": 1, **fields}))

    assert of(network="hoodi").size == lock.SIZES["sklearn"]
    assert of(network="hoodi", software="base").size == lock.SIZES["base"]
    assert of(network="hoodi", software="gpu", gpus=1).size == lock.SIZES["gpu"]
    kept = ImageStore().add(image_file(tmp_path / "own"), "mine")
    assert of(image="mine").size == of(network="hoodi", image="mine").size == kept.size
    for others in ({}, {"network": "hoodi", "image": "me/own:1"}, {"network": "hoodi", "image": "none-such"}):
        assert of(**others) is None
    assert set(lock.SIZES) == set(lock.variants())
    monkeypatch.setenv(IMAGE_VARIABLE, "mine")
    assert of(network="hoodi").size == of(network="hoodi", software="gpu", gpus=1).size == kept.size
    monkeypatch.setenv(IMAGE_VARIABLE, "me/own:2")
    assert of(network="hoodi") is None


def test_one_of_this_computers_that_is_not_there_is_refused_before_anything_starts(tmp_path, monkeypatch):
    def check(**fields):
        preflight.check(parse_request({"name": "a", "budget": 1, "network": "hoodi", **fields}))

    ImageStore().add(image_file(tmp_path / "own"), "mine")
    with pytest.raises(RequestError, match=r"^There is no image 'other'") as named:
        check(image="other")
    assert named.value.field == "image"
    check()
    monkeypatch.setenv(IMAGE_VARIABLE, "other")
    with pytest.raises(RequestError, match=rf"^{IMAGE_VARIABLE}: There is no image 'other'") as refused:
        check()
    assert "There is: mine" in refused.value.remedy
    check(image="mine")
    check(network="local")  # it has one of its own
    monkeypatch.setenv(IMAGE_VARIABLE, "mine")
    check()


_MAKER = """
import signal, sys, time
from pathlib import Path
from golem_launcher.image import __main__, build
from tests.image.test_store import image_file

def slow(wanted, out, downloads, *, told):
    told(build.BuildStep("Packing", 1, 2))
    while {wait}:
        time.sleep(0.01)
    image_file(out)

build.build = slow
sys.exit(__main__.main())
"""


@pytest.fixture
def maker(monkeypatch, tmp_path):
    """The program that makes an image, but for the making itself."""

    def make(*, wait):
        script = tmp_path / "maker.py"
        script.write_text(_MAKER.format(wait=wait))
        started = asyncio.create_subprocess_exec

        async def start(*_argv, **options):
            return await started(sys.executable, str(script), "base", **options)

        monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
        monkeypatch.setattr(image.asyncio, "create_subprocess_exec", start)

    return make


@pytest.mark.usefixtures("node")
def test_one_that_is_not_there_is_made_with_progress(maker):
    maker(wait=False)
    one = chosen(software="base")
    told, said = asyncio.run(prepared(one))
    assert told == [("Packing", 1, 2, "bytes")]
    assert "The image 'base'" in said[0]
    assert ImageStore().find("base").hash in asyncio.run(one.task_package())


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_making_ends_with_whoever_waits_for_it(maker, home, how):
    maker(wait=True)

    others = set(psutil.Process().children())

    async def run():
        began = asyncio.Event()
        work = asyncio.create_task(chosen().prepare(making=lambda *_: began.set(), say=print))
        await began.wait()
        (process,) = set(psutil.Process().children()) - others
        if how == "killed":
            process.send_signal(signal.SIGKILL)
            with pytest.raises(ImageError, match="ended without a word"):
                await work
        else:
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
        return process

    process = asyncio.run(run())
    end = time.monotonic() + 30 * slower()
    while process.is_running() and time.monotonic() < end:
        time.sleep(0.01)
    assert not process.is_running()
    assert ImageStore().images() == []
    if how == "stopped":
        assert {path.name for path in (home / "images").iterdir()} == {".lock", ".packages"}
