"""Images: described ones, those that a requestor serves itself, and those that the base image stands in for."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from golem_launcher.errors import LocalNetError, NodeError
from golem_launcher.localnet import network
from golem_launcher.localnet.exeunit.image import described
from golem_launcher.localnet.runtime.sandbox_runtime import why_no_sandbox
from golem_launcher.localnet.spec import image_hash, load_spec
from golem_launcher.node.gftp.session import GftpSession
from tests.localnet.conftest import network_of
from tests.localnet.requestor import Requestor, play
from tests.localnet.test_misbehaviour import START, shell
from tests.networks import at_home
from tests.patience import slower

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_no_sandbox()), reason="no sandbox here"),
    pytest.mark.skipif(shutil.which("mksquashfs") is None, reason="squashfs-tools is not installed"),
]

CONFIG = {"Env": ["COLOUR=red"], "Volumes": {"/golem/resource": {}}, "WorkingDir": "/opt"}
DESCRIPTION = """
terminate_seconds = 0
dns = false

[images."me/file:latest"]
path = "app.gvmi"

[images."me/directory:latest"]
path = "root"
volumes = ["/data"]
workdir = "/lib"
env = { COLOUR = "green" }

[[provider]]
name = "new"

[[provider]]
name = "old"
runtime_version = "0.4.0"
"""


def make_root(root: Path) -> None:
    for program in ("sh", "cat", "ls"):
        source = Path("/bin") / program
        libraries = subprocess.run(["ldd", source], capture_output=True, text=True, check=True).stdout.split()
        for file in (str(source), *(word for word in libraries if word.startswith("/"))):
            target = root / file[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(file).read_bytes())
            target.chmod(0o755)
    (root / "opt").mkdir()
    (root / "golem" / "run").mkdir(parents=True)
    (root / "golem" / "run" / "program").write_text("of the image")
    (root / "marker").write_text("from the image")


def make_gvmi(root: Path, file: Path, config: dict[str, Any]) -> Path:
    quickly = ["-comp", "gzip", "-Xcompression-level", "1", "-no-progress", "-quiet", "-all-root"]
    subprocess.run(["mksquashfs", root, file, *quickly], check=True, timeout=60 * slower(), stdout=subprocess.DEVNULL)
    text = json.dumps(config).encode()
    with file.open("ab") as opened:
        opened.write(zlib.crc32(text).to_bytes(4, "little") + text + f"{len(text):08d}".encode())
    return file


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("images")
    make_root(home / "root")
    make_gvmi(home / "root", home / "app.gvmi", CONFIG)
    return home


@pytest.fixture(scope="module")
def running(files: Path) -> Iterator[network.LocalNetwork]:
    with network_of(files, DESCRIPTION) as up:
        yield up


@pytest.fixture
def here(running: network.LocalNetwork) -> Iterator[network.LocalNetwork]:
    with at_home(running.directory.parent):
        yield running


def package(tag: str) -> str:
    return f"hash:sha3:{image_hash(tag)}:http://nowhere.invalid/image"


def manifest(**fields: Any) -> str:
    value = {
        "version": "0.1.0",
        "createdAt": "2026-01-01T00:00:00Z",
        "expiresAt": "2100-01-01T00:00:00Z",
        "payload": [{"urls": ["http://nowhere.invalid/i"], "hash": f"sha3:{image_hash('me/directory:latest')}"}],
        **fields,
    }
    return base64.b64encode(json.dumps(value).encode()).decode()


async def activity_of(someone: Requestor, name: str = "new", **properties: Any) -> str:
    wanted = {f"golem.srv.comp.{key}": value for key, value in properties.items()}
    return await someone.activity(await someone.agree(name=name, properties=wanted))


def test_a_described_file_says_itself_what_it_is(here: network.LocalNetwork) -> None:
    look = shell("cat /marker /golem/run/program; pwd; ls -d /golem/resource; echo $COLOUR")

    async def scene(someone: Requestor) -> None:
        for name, colour in (("new", ""), ("old", "red")):
            activity = await activity_of(someone, name, task_package=package("me/file:latest"))
            deployed, _, looked = await someone.execute(activity, {"deploy": {}}, START, look)
            assert looked["stdout"] == f"from the imageof the image/opt\n/golem/resource\n{colour}\n"
            assert [volume["path"] for volume in json.loads(deployed["stdout"])["vols"]] == ["/golem/resource"]
            await someone.destroy(activity)

    play(here, scene)


def test_an_image_named_only_in_a_manifest_runs(here: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        activity = await activity_of(someone, "old", payload=manifest())
        *_, looked = await someone.execute(activity, {"deploy": {}}, START, shell("pwd; ls -d /data; echo $COLOUR"))
        assert looked["result"] == "Ok", looked
        assert looked["stdout"] == "/lib\n/data\ngreen\n"

    play(here, scene)


def test_the_commands_of_a_manifest_are_all_that_runs(here: network.LocalNetwork) -> None:
    script = {"commands": ["run /bin/cat /marker", '{"run": {"args": "/bin/ls -.*", "match": "regex"}}']}

    async def scene(someone: Requestor) -> None:
        payload = manifest(compManifest={"version": "0.1.0", "script": script})
        activity = await activity_of(someone, payload=payload)
        capture = {"capture": {"stdout": {"atEnd": {}}}}
        allowed = [{"run": {"entry_point": "/bin/cat", "args": ["/marker"], **capture}}]
        allowed.append({"run": {"entry_point": "/bin/ls", "args": ["-d", "/"], **capture}})
        results = await someone.execute(activity, {"deploy": {}}, START, *allowed)
        assert [result["stdout"] for result in results[-2:]] == ["from the image", "/\n"]
        for refused in (shell("echo never"), {"transfer": {"from": "container:/a", "to": "container:/b"}}):
            with pytest.raises(NodeError, match="no matching manifest entry found for"):
                await someone.send(activity, refused)

    play(here, scene)


def test_without_dns_no_activity_lives_whose_manifest_lists_addresses(here: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        net = {"inet": {"out": {"protocols": ["https"], "urls": []}}}
        with pytest.raises(NodeError, match="abruptly terminated"):
            await activity_of(someone, payload=manifest(compManifest={"version": "0.1.0", "net": net}))

    play(here, scene)


def test_an_image_that_its_requestor_serves(
    here: network.LocalNetwork, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GSB_URL", here.node.gsb_url)
    served = make_gvmi(files / "root", files / "served.gvmi", {"WorkingDir": "/opt"})
    digest = hashlib.sha3_224(served.read_bytes()).hexdigest()
    deploy = {"deploy": {"progress": {"updateInterval": "100ms"}}}

    async def scene(someone: Requestor) -> None:
        session = GftpSession()
        try:
            url = await session.publish(str(served))
            activity = await activity_of(someone, task_package=f"hash:sha3:{digest}:{url}")
            *_, looked = await someone.execute(activity, deploy, START, shell("cat /marker; pwd"))
            assert looked["stdout"] == "from the image/opt\n"
            await someone.destroy(activity)
            wrong = await activity_of(someone, "old", task_package=f"hash:sha3:{'0' * 56}:{url}")
            (failed,) = await someone.execute(wrong, deploy)
            assert "hash" in failed["message"]
            await someone.destroy(wrong)
        finally:
            await session.aclose()
        # Nobody serves it any more: it is taken from what was kept.
        first = await someone.rest.get(f"/market-api/v1/agreements/{someone.agreements[0]}")
        activity = await someone.activity(first)
        *_, looked = await someone.execute(activity, deploy, START, shell("cat /marker"))
        assert looked["stdout"] == "from the image"

    play(here, scene)


def test_a_replaced_image_is_told(here: network.LocalNetwork) -> None:
    async def scene(someone: Requestor) -> None:
        activity = await activity_of(someone, task_package=package("strange/app:1"))
        deployed, *_ = await someone.execute(activity, {"deploy": {}}, START)
        said = json.loads(deployed["stdout"])["valid"]["Ok"]
        assert said.endswith("is not described in this local network: golem/jupyterlab:local stands in for it.")

    before = len(network.status()["replaced_images"])
    play(here, scene)
    assert network.status()["replaced_images"][before:] == [image_hash("strange/app:1")]


@pytest.mark.parametrize("end", [b"", b"x" * 8, b"99999999", b"{}00000002", b"\0\0\0\0{}00000002"])
def test_a_file_without_a_description_is_refused(tmp_path: Path, end: bytes) -> None:
    file = tmp_path / "image.gvmi"
    file.write_bytes(b"hsqs" + b"\0" * 100 + end)
    with pytest.raises(LocalNetError, match="no description"):
        described(tmp_path, file)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.gvmi").write_text("not one")
    file = tmp_path / "network.toml"
    file.write_text('[images.x]\npath = "app.gvmi"\n[[provider]]\nname = "a"')
    with pytest.raises(LocalNetError, match=r"no directory and no \.gvmi file"):
        load_spec(file)
