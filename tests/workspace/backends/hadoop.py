"""A real HDFS of one name node and one data node on loopback: Hadoop's own, for tests, from Maven."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.patience import slower

_VERSION = "3.4.1"
_JARS = (
    *(f"org.apache.hadoop:hadoop-client-{part}:{_VERSION}" for part in ("minicluster", "runtime", "api")),
    "javax.xml.bind:jaxb-api:2.3.1",  # which Java has not brought since its version 11
)
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tests</groupId><artifactId>hadoop</artifactId><version>1</version><dependencies>{}</dependencies></project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
_FETCH_SECONDS = 180
_START_SECONDS = 60
_PLACE = Path(sys.prefix) / "share" / f"hadoop-{_VERSION}"


def available():
    """Whether Hadoop's classes are here; they are fetched when they can be."""
    if shutil.which("java") is None:
        return False
    if not _PLACE.is_dir() and shutil.which("mvn") is not None:
        partial = _PLACE.with_name(f"{_PLACE.name}.{os.getpid()}")
        partial.mkdir(parents=True)
        try:
            (partial / "pom.xml").write_text(_POM.format("".join(_DEPENDENCY.format(*jar.split(":")) for jar in _JARS)))
            fetch = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
            with contextlib.suppress(subprocess.SubprocessError, OSError):  # no way there, or somebody was first
                subprocess.run(
                    fetch,
                    cwd=partial,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_FETCH_SECONDS * slower(),
                    check=True,
                )
                partial.rename(_PLACE)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return _PLACE.is_dir()


class Cluster:
    """Starts at once, in the background: it takes seconds, more where Hadoop is fetched first."""

    def __init__(self, directory):
        self._directory = directory
        self._process = None
        self._starting = threading.Thread(target=self._start)
        self._starting.start()

    def _start(self):
        if not available():
            return
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        directory = self._directory
        argv = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx384m", "-Djava.net.preferIPv4Stack=true"]
        argv += [f"-Dtest.build.data={directory / 'data'}", f"-Djava.io.tmpdir={directory}", "-cp", f"{_PLACE}/*"]
        argv += ["org.apache.hadoop.test.MiniDFSClusterManager", "-format", "-datanodes", "1", "-nnport", "0"]
        argv += ["-httpport", str(self._port), "-writeDetails", str(directory / "details.json")]
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen(argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def url(self):
        """Where it is, once it is there; skips where there can be none."""
        self._starting.join()
        if self._process is None:
            pytest.skip("a real HDFS needs java and, to fetch Hadoop once (90 MB), mvn with a way to Maven Central")
        end = time.monotonic() + _START_SECONDS * slower()
        while time.monotonic() < end and self._process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                assert json.loads((self._directory / "details.json").read_text())["namenode_port"]
                return f"hdfs://127.0.0.1:{self._port}/saves/mine"
            time.sleep(0.02)
        pytest.fail(f"HDFS does not start: {(self._directory / 'log').read_text()[-2000:]}")

    def close(self):
        self._starting.join()
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
