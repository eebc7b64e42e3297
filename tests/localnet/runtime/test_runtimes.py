"""Both runtimes, as far as a session may tell them apart and as far as it may not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import psutil
import pytest

from golem_launcher.errors import LocalNetError
from golem_launcher.localnet.runtime.process_runtime import ProcessRuntime
from golem_launcher.localnet.runtime.runtime_interface import MARK, ActivityPlace, Deployment
from golem_launcher.localnet.runtime.sandbox_runtime import SandboxRuntime, overlay_works, why_no_sandbox
from golem_launcher.localnet.runtime.supported_runtime import choose_runtime
from golem_launcher.localnet.runtime.volumes import COMMON, ROOT, Volume
from tests.patience import slower

WHY_NOT = why_no_sandbox()
sandboxed = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "sandboxes work")
RUNTIMES = [
    pytest.param(ProcessRuntime, id="process"),
    pytest.param(SandboxRuntime, id="sandbox", marks=sandboxed),
]


@pytest.fixture(params=RUNTIMES)
def kind(request):
    return request.param


@pytest.fixture
def opened(base, short_path):
    @contextlib.asynccontextmanager
    async def runtime(kind, *, more=None, **deployment):
        place = ActivityPlace(
            short_path / "activity", base, "some-activity", **{"memory_bytes": 64 << 20, **(more or {})}
        )
        made = kind(place)
        try:
            await made.deploy(Deployment(**deployment))
            await made.start([])
            yield made
        finally:
            await made.stop()
        assert not marked(place.mark)

    return runtime


def marked(mark):
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


async def run(runtime, *argv):
    """A command by its path as it is, a name by a shell: no PATH is searched otherwise."""
    if "/" not in argv[0]:
        argv = ("/bin/sh", "-c", 'export PATH; exec "$0" "$@"', *argv)
    return await run_as_it_is(runtime, *argv)


async def run_as_it_is(runtime, *argv):
    out, err = bytearray(), bytearray()
    code = await asyncio.wait_for(runtime.run(argv, on_stdout=out.extend, on_stderr=err.extend), 60 * slower())
    return code, out.decode(), err.decode()


async def good(runtime, *argv):
    code, out, err = await run(runtime, *argv)
    assert code == 0, err
    return out


async def until(condition, seconds=20):
    async def poll():
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - the system tells nobody
            await asyncio.sleep(0.02)

    await asyncio.wait_for(poll(), seconds * slower())


@pytest.mark.slow
def test_paths_environment_and_python(opened, kind, monkeypatch):
    monkeypatch.setenv("YAGNA_APPKEY", "secret")
    monkeypatch.setenv("GSB_URL", "unix:/secret")

    async def main():
        async with opened(
            kind,
            volumes=(
                *COMMON,
                Volume(PurePosixPath("/data")),
            ),
        ) as runtime:
            await good(runtime, "/bin/sh", "-c", "echo 1 > /golem/work/a; cp /golem/work/a /data/b; pwd; cat a")
            assert runtime.volumes.path("/data/b").read_text() == "1\n"
            assert "secret" not in await good(runtime, "env")
            program = "import jupyterlab, ipykernel, ipywidgets, pip, sys; print(sys.prefix != sys.base_prefix)"
            assert await good(runtime, "python3", "-c", program) == "True\n"
            for module in ("golem_launcher", "yapapi", "voila"):
                code, _, err = await run(runtime, "python3", "-c", f"import {module}")
                assert code == 1
                assert "ModuleNotFoundError" in err

    asyncio.run(main())


def test_a_command_is_a_path_and_gets_nothing(opened, kind):
    async def main():
        async with opened(kind) as runtime:
            for program in ("sh", "/no/such/program", "/etc", "/etc/passwd", "/golem/work"):
                assert await run_as_it_is(runtime, program) == (-signal.SIGKILL, "", "")
            assert await run(runtime, "/bin/sh", "-c", "kill -TERM $$") == (-signal.SIGTERM, "", "")
            if kind is SandboxRuntime:
                assert (await good(runtime, "/usr/bin/env")).partition("=")[0] == MARK  # and no other
        if kind is SandboxRuntime:
            async with opened(kind, more={"passes_environment": True}) as runtime:
                names = {line.partition("=")[0] for line in (await good(runtime, "/usr/bin/env")).splitlines()}
                assert names == {"PATH", "LANG", MARK}
                assert await run_as_it_is(runtime, "sh") == (-signal.SIGKILL, "", "")

    asyncio.run(main())


@sandboxed
def test_temporary_files_are_memory_of_the_machine(opened):
    fill = "dd if=/dev/zero of=/tmp/large bs=1M count=40 2>&1; df -k --output=size /tmp"

    async def main():
        async with opened(SandboxRuntime) as runtime:
            said = await good(runtime, "/bin/sh", "-c", fill)
            assert "No space left" in said
            assert "32768" in said

    asyncio.run(main())


def test_a_storage_volume_is_out_of_reach_of_transfers(opened, kind, tmp_path):
    work = PurePosixPath("/golem/work")

    async def main():
        volumes = (
            *COMMON,
            Volume(work, "storage", 1 << 30),
            Volume(work / "in" / "side"),
            Volume(work.parent / "home"),
        )
        async with opened(kind, volumes=volumes) as runtime:
            assert await good(runtime, "/bin/sh", "-c", "cd /golem/work && ls -d [!i]*") == "lost+found\n"
            await good(runtime, "/bin/sh", "-c", "echo x > /golem/work/f; ln -s /golem/work/f /golem/run/link")
            (tmp_path / "f").write_text("y")
            for path in ("/golem/work/f", "/golem/work", "/golem/run/link", "/elsewhere"):
                with pytest.raises(LocalNetError, match="path not found in container"):
                    os.close(runtime.volumes.open(path))
                with contextlib.suppress(LocalNetError):
                    runtime.volumes.place(tmp_path / "f", path)
            assert await good(runtime, "/bin/sh", "-c", "cat /golem/work/f") == "x\n"
            runtime.volumes.place(tmp_path / "f", "/golem/home/f")
            assert await good(runtime, "/bin/sh", "-c", "cat /golem/home/f") == "y"

    asyncio.run(main())


@sandboxed
def test_volumes_in_memory_have_their_size(opened):
    async def main():
        volumes = (*COMMON, Volume(PurePosixPath("/memory"), "ram", 8 << 20), Volume(ROOT, "ram", 4 << 20))
        async with opened(SandboxRuntime, volumes=volumes) as runtime:
            assert "8192" in await good(runtime, "/bin/sh", "-c", "df -k --output=size /memory")
            assert await full(runtime, "/memory/f", 16)
            if overlay_works():
                for place in ("/root/f", "/var/tmp/f", "/f", "/golem/.private/env/f"):
                    assert await full(runtime, place, 16), place

    asyncio.run(main())


@sandboxed
def test_a_disk_of_a_modest_size_is_full_when_that_is_reached(opened):
    disk, large = PurePosixPath("/golem/work"), PurePosixPath("/golem/large")

    async def main():
        volumes = (*COMMON, Volume(disk, "storage", 64 << 20), Volume(large, "storage", 1 << 50))
        async with opened(SandboxRuntime, volumes=volumes) as runtime:
            said = await good(runtime, "/bin/sh", "-c", f"ls {disk} {large}; df -k --output=size {disk} | tail -n 1")
            assert said.split().count("lost+found") == 2
            assert int(said.split()[-1]) == pytest.approx(0.984 * 65536, abs=8)
            assert await full(runtime, disk / "f", 80)
            assert not await full(runtime, disk / "f", 60)
            assert not await full(runtime, large / "f", 80)

    asyncio.run(main())


async def full(runtime, path, mebibytes):
    """Whether so many do not find room in a new file there."""
    write = f"dd if=/dev/zero of={path} bs=1M count={mebibytes} 2>&1; rm -f {path}"
    return "No space left" in await good(runtime, "/bin/sh", "-c", write)


_WANTED = """
import mmap, os, socket, sqlite3, sys, tempfile
os.chdir(sys.argv[1])
open("file", "wb").write(bytes(5000))
inside = os.open(".", os.O_RDONLY)
wal = sqlite3.connect("data.db")

def attempt(name, what):
    try:
        what()
    except (OSError, sqlite3.Error) as error:
        print(name, getattr(error, "strerror", None) or error)

def bind(path, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as made:
        made.bind(path)

def share(access):
    with open("file", "r+b") as file:
        mmap.mmap(file.fileno(), 0, access=access).close()

def write_ahead():
    wal.execute("pragma journal_mode=wal")
    wal.execute("create table t (x)")
    wal.commit()

attempt("socket", lambda: bind("socket"))
attempt("socket by its whole path", lambda: bind(os.path.abspath("another")))
attempt("socket by a descriptor", lambda: bind(f"/proc/self/fd/{inside}/third"))
attempt("fifo", lambda: os.mkfifo("fifo"))
attempt("fifo elsewhere", lambda: os.mkfifo("fifo-at", dir_fd=inside))
attempt("shared memory", lambda: share(mmap.ACCESS_WRITE))
attempt("shared memory to read", lambda: share(mmap.ACCESS_READ))
attempt("no name", lambda: os.close(os.open(".", os.O_TMPFILE | os.O_RDWR)))
attempt("owner", lambda: os.chown("file", 0, 0))
attempt("owner of a descriptor", lambda: os.fchown(os.open("file", os.O_RDONLY), 0, 0))
attempt("sqlite", write_ahead)

# What works everywhere.
sqlite3.connect("plain.db").execute("create table t (x)")
with open("file", "rb") as file:
    mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ).close()
os.link("file", "link"), os.symlink("file", "sym"), os.rename("link", "moved"), os.chmod("file", 0o600)
bind("\\0abstract"), socket.create_server(("127.0.0.1", 0)).close()
print("end")
"""
_REFUSED_ON_9P = """socket No such device or address
socket by its whole path No such device or address
socket by a descriptor No such device or address
fifo No such device or address
fifo elsewhere No such device or address
shared memory Invalid argument
shared memory to read Invalid argument
no name Operation not supported
owner Operation not permitted
owner of a descriptor Operation not permitted
sqlite disk I/O error
end
"""


@sandboxed
@pytest.mark.skipif(platform.machine() != "x86_64", reason="it knows that processor's calls alone")
def test_a_directory_of_the_host_refuses_what_9p_refuses_and_a_disk_does_not(opened, tmp_path):
    async def main():
        volumes = (
            *COMMON,
            Volume(PurePosixPath("/disk"), "storage", 1 << 30),
            Volume(PurePosixPath("/memory"), "ram", 8 << 20),
        )
        async with opened(SandboxRuntime, more={"like_9p": True}, volumes=volumes) as runtime:
            (tmp_path / "wanted.py").write_text(_WANTED)
            runtime.volumes.place(tmp_path / "wanted.py", "/golem/run/wanted.py")
            assert await good(runtime, "python3", "/golem/run/wanted.py", "/golem/work") == _REFUSED_ON_9P
            for place in ("/disk", "/memory", "/tmp"):
                assert await good(runtime, "python3", "/golem/run/wanted.py", place) == "end\n"
            # Asked for is a whole tree, whoever of it is left.
            later = "(sleep 0.2; mkfifo /golem/work/late 2> /golem/work/said; mkfifo /disk/late && mkdir done) & exit 0"
            await good(runtime, "/bin/sh", "-c", later)
            await until((runtime.volumes.root / "golem" / "work" / "done").exists)
            assert "No such device" in (runtime.volumes.root / "golem" / "work" / "said").read_text()
        async with opened(SandboxRuntime) as runtime:
            await good(runtime, "/bin/sh", "-c", "mkfifo /golem/work/fifo")

    asyncio.run(main())


def wheel(directory: Path) -> Path:
    path = directory / "launchprobe-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("launchprobe.py", "WORD = 'installed'\n")
        archive.writestr(
            "launchprobe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: launchprobe\nVersion: 1.0\n"
        )
        archive.writestr(
            "launchprobe-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("launchprobe-1.0.dist-info/RECORD", "")
    return path


@pytest.mark.slow
def test_what_is_installed_stays_inside_and_what_is_shared_stays_there(opened, kind, tmp_path, base):
    async def main():
        async with opened(kind) as runtime:
            made = wheel(tmp_path)
            runtime.volumes.place(made, f"/golem/work/{made.name}")
            await good(runtime, "pip", "install", "--no-index", "--no-deps", f"/golem/work/{made.name}")
            assert await good(runtime, "python3", "-c", "import launchprobe; print(launchprobe.WORD)") == "installed\n"
            await run(runtime, "pip", "uninstall", "-y", "jinja2", "jupyterlab")
            await good(runtime, "python3", "-c", "import jinja2, jupyterlab")

    asyncio.run(main())
    assert not (base.site_packages / "launchprobe.py").exists()
    assert subprocess.run([sys.executable, "-c", "import jinja2, jupyterlab"], check=False).returncode == 0
    assert subprocess.run(
        [sys.executable, "-c", "import launchprobe"], check=False, stderr=subprocess.DEVNULL
    ).returncode


KERNEL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
try:
    client.execute_interactive("import sys; print(sys.prefix)", timeout=30)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
"""


@pytest.mark.slow
def test_a_kernel_runs_with_the_private_python(opened, kind):
    async def main():
        async with opened(kind) as runtime:
            prefix = (await good(runtime, "python3", "-c", "import sys; print(sys.prefix)")).strip()
            assert (await good(runtime, "python3", "-c", KERNEL)).strip() == prefix

    asyncio.run(main())


@pytest.mark.slow
def test_a_lab_that_went_to_the_background_serves_and_dies_with_the_activity(opened, kind):
    async def main():
        async with opened(kind) as runtime:
            command = (
                "export PATH; setsid python3 -m jupyterlab --no-browser --allow-root --port=8899"
                " --ip=${GOLEM_BIND_ADDRESS:-0.0.0.0} --IdentityProvider.token=t"
                " > /golem/output/log 2>&1 < /dev/null & exit 0"
            )
            await good(runtime, "/bin/sh", "-c", command)
            page = b""

            async def fetch():
                nonlocal page
                while b"JupyterLab" not in page:
                    with contextlib.suppress(OSError):
                        reader, writer = await asyncio.open_connection(sock=await runtime.dial(8899))
                        writer.write(b"GET /lab?token=t HTTP/1.0\r\nHost: localhost\r\n\r\n")
                        page = await reader.read()
                        writer.close()
                        await writer.wait_closed()
                    await asyncio.sleep(0.1)

            await asyncio.wait_for(fetch(), 40 * slower())
            assert page.startswith(b"HTTP/1.1 200"), page[:500]
            usage = await runtime.usage()
            assert usage.cpu_seconds > 0.3
            assert usage.memory > 20_000_000

    asyncio.run(main())


def test_a_port_nobody_listens_on_is_refused(opened, kind):
    async def main():
        async with opened(kind) as runtime:
            with pytest.raises(ConnectionRefusedError):
                await runtime.dial(1)

    asyncio.run(main())


def test_the_users_own_servers_are_not_reached(opened, kind):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as server:
            async with opened(kind) as runtime:
                with pytest.raises(ConnectionRefusedError):
                    await runtime.dial(server.getsockname()[1])

    asyncio.run(main())


def test_cancelling_kills_the_command_and_its_children(opened, kind):
    async def main():
        async with opened(kind) as runtime:
            started = asyncio.Event()
            command = asyncio.create_task(
                runtime.run(
                    ["/bin/sh", "-c", "sleep 3131 & echo up; wait"], on_stdout=lambda _: started.set(), on_stderr=print
                )
            )
            await asyncio.wait_for(started.wait(), 10 * slower())
            command.cancel()
            with pytest.raises(asyncio.CancelledError):
                await command
            await until(
                lambda: not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "3131"]]
            )

    asyncio.run(main())


PROVIDER = """
import asyncio, sys
from pathlib import Path, PurePosixPath
from golem_launcher.localnet.runtime import base_layer
from golem_launcher.localnet.runtime.runtime_interface import Deployment, ActivityPlace
from golem_launcher.localnet.runtime.process_runtime import ProcessRuntime
from golem_launcher.localnet.runtime.sandbox_runtime import SandboxRuntime

async def main():
    directory, kind = Path(sys.argv[1]), {"p": ProcessRuntime, "s": SandboxRuntime}[sys.argv[2]]
    runtime = kind(ActivityPlace(directory / "activity", base_layer.build(directory), "orphan"))
    await runtime.deploy(Deployment())
    sink = lambda data: None
    await runtime.run(["/bin/sh", "-c", "setsid sh -c 'sleep 5151 & exec sleep 5252' & exit 0"],
                      on_stdout=sink, on_stderr=sink)
    print("up", flush=True)
    await runtime.run(["/bin/sleep", "5353"], on_stdout=sink, on_stderr=sink)

asyncio.run(main())
"""


@pytest.mark.slow
def test_a_killed_provider_leaves_no_process(kind, short_path):
    provider = subprocess.Popen(
        [sys.executable, "-c", PROVIDER, str(short_path), kind.name[0]], stdout=subprocess.PIPE, start_new_session=True
    )
    mark = ActivityPlace(short_path / "activity", None, "orphan").mark
    with provider:
        try:
            assert provider.stdout.readline() == b"up\n"
            asyncio.run(until(lambda: len(marked(mark)) >= 3))
            inits = [
                child for child in psutil.Process(provider.pid).children() if "init.py" in " ".join(child.cmdline())
            ]
            assert inits
        finally:
            os.killpg(provider.pid, signal.SIGKILL)
    asyncio.run(until(lambda: not marked(mark) and not any(map(psutil.Process.is_running, inits))))


def test_a_killed_first_process_leaves_nothing_after_the_stop(opened):
    async def main():
        async with opened(ProcessRuntime) as runtime:
            await good(runtime, "/bin/sh", "-c", "setsid sleep 6161 > /dev/null 2>&1 & exit 0")
            os.kill(runtime._init.pid, signal.SIGKILL)
            with pytest.raises(LocalNetError):
                await run(runtime, "sleep", "1")

    asyncio.run(main())  # the fixture looks for what is left


@sandboxed
def test_the_sandbox_keeps_the_host_out_of_reach(opened):
    async def main():
        async with opened(SandboxRuntime, hostname="golem", hosts={"friend": "192.168.0.2"}) as runtime:
            assert await good(runtime, "hostname") == "golem\n"
            assert await good(runtime, "id", "-u") == "0\n"
            assert "cpu0" in await good(runtime, "ls", "/sys/devices/system/cpu")
            assert "192.168.0.2\tfriend" in await good(runtime, "cat", "/etc/hosts")
            for attempt in (
                "touch /usr/x", "mount -o remount,rw /usr", "touch /etc/passwd", "ls /root/.ssh", "cat /etc/shadow",
                "echo b > /proc/sysrq-trigger", "touch /sys/devices/system/x", "ls /sys/class",
            ):  # fmt: skip
                assert (await run(runtime, "/bin/sh", "-c", attempt))[0] != 0, attempt
            processes = await good(runtime, "/bin/sh", "-c", "ls /proc | grep -c '^[0-9]'")
            assert int(processes) < 12
            server = "cd /golem/work && exec python3 -m http.server 80 > /dev/null 2>&1"
            await good(runtime, "/bin/sh", "-c", f"({server}) & exit 0")

            async def answered():
                while True:
                    with contextlib.suppress(OSError):
                        return (await runtime.dial(80)).close()
                    await asyncio.sleep(0.05)

            await asyncio.wait_for(answered(), 20 * slower())

    asyncio.run(main())


@sandboxed
def test_servers_that_give_up_root_find_other_users(opened):
    become = "import os; os.chown('f', 33, 33); os.setgroups([]); os.setgid(33); os.setuid(33); print(os.getuid())"

    async def main():
        async with opened(SandboxRuntime) as runtime:
            ids = await good(runtime, "cat", "/proc/self/uid_map")
            assert ids.split()[0] == "0"
            if ids.split() == ["0", str(os.geteuid()), "1"]:
                pytest.skip("this user has no further ids, or newuidmap is not installed")
            await good(runtime, "touch", "f")
            assert await good(runtime, "python3", "-c", become) == "33\n"

    asyncio.run(main())


@sandboxed
def test_an_image_finds_what_it_finds_in_golems_vm(opened, tmp_path):
    image = tmp_path / "image"
    (image / "etc").mkdir(parents=True)
    (image / "marker").write_text("from the image")
    (image / "golem" / "run").mkdir(parents=True)
    (image / "golem" / "run" / "program").write_text("in the image's volume")
    (image / "etc" / "resolv.conf").write_text("nameserver 192.0.2.1")
    for program in ("sh", "cat", "touch", "df", "dd", "env", "hostname"):
        source = Path("/bin") / program
        libraries = subprocess.run(["ldd", source], capture_output=True, text=True, check=True).stdout.split()
        for file in (str(source), *(word for word in libraries if word.startswith("/"))):
            target = image / file[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(Path(file).read_bytes())
            target.chmod(0o755)

    async def main():
        async with opened(SandboxRuntime, image_directory=image) as runtime:
            assert await good(runtime, "cat", "/marker") == "from the image"
            assert await good(runtime, "/bin/sh", "-c", "echo /golem/run/*") == "/golem/run/*\n"  # covered, not copied
            assert await good(runtime, "cat", "/etc/resolv.conf") == "nameserver 1.1.1.1\nnameserver 8.8.8.8\n"
            assert await good(runtime, "hostname") == "golem\n"
            assert (await good(runtime, "/bin/env")).partition("=")[0] == MARK  # and no other
            await good(runtime, "/bin/sh", "-c", "touch /new && echo changed > /marker && touch /golem/work/w")
            assert await good(runtime, "cat", "/marker") == "changed\n"
            assert runtime.volumes.path("/golem/work/w").exists()
            if overlay_works():
                assert "32768" in await good(runtime, "df", "-k", "--output=size", "/")
                code, _, err = await run(runtime, "dd", "if=/dev/zero", "of=/large", "bs=1M", "count=33")
                assert code != 0
                assert "No space left" in err

    asyncio.run(main())
    assert (image / "marker").read_text() == "from the image"
    assert not (image / "new").exists()


def test_an_activity_keeps_to_its_memory(opened, kind):
    hoard = "import time; kept = bytearray(b'x') * 400_000_000; print('all', flush=True); time.sleep(60)"

    async def main():
        async with opened(kind, more={"memory_bytes": 200 << 20}) as runtime:
            running = asyncio.create_task(run(runtime, "python3", "-c", hoard))
            while not running.done():
                await runtime.usage()
                await asyncio.sleep(0.05)
            assert running.result()[0] == -signal.SIGKILL

    asyncio.run(main())


def test_the_choice_is_explained():
    factory, reason = choose_runtime("process")
    assert factory is ProcessRuntime
    assert "process" in reason
    _, reason = choose_runtime("auto")
    assert reason.startswith("Runtime: ")
    if WHY_NOT:
        with pytest.raises(LocalNetError, match="No sandbox"):
            choose_runtime("sandbox")


@pytest.mark.slow
def test_the_environment_is_made_in_a_blink(base, short_path):
    import time  # noqa: PLC0415

    from golem_launcher.localnet.runtime import python_environment  # noqa: PLC0415

    best = 10.0
    for number in range(3):
        begin = time.perf_counter()
        made = python_environment.create(base, short_path / f"env{number}")
        best = min(best, time.perf_counter() - begin)
    assert best < 0.3 * slower()
    listed = subprocess.run(
        [short_path / "env0" / "bin" / "jupyter", "labextension", "list"],
        env={"HOME": str(short_path), "PATH": os.defpath}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "jupyterlab-manager" in listed.stdout + listed.stderr
    assert Path(made.python).exists()
