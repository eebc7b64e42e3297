"""A local network of some tests' own, with a launcher's home of its own, and nothing left of either afterwards."""

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from pathlib import Path

from golem_launcher import files, paths
from golem_launcher.localnet import daemons
from golem_launcher.localnet import network as localnet
from golem_launcher.session import client
from golem_launcher.session.on_disk.directory import session_directories
from golem_launcher.session.on_disk.session_paths import sessions_locked
from golem_launcher.session.supervision import fork_server
from golem_launcher.session.supervision.becoming import FRUGAL
from tests.patience import slower

_CACHE = Path(__file__).parent.parent / ".pytest_cache"
_ACCOUNTS = 20
"""That a prepared network has: as many as its largest one needs. More are made when it starts."""
_PREPARE_SECONDS = 120
_BASE = "base"
_OF_A_MARKET = "market.db*"


@contextlib.contextmanager
def own_network(home, description):
    """The network of a ``description`` (TOML), up; sessions that are left in it are ended."""
    file = home / "network.toml"
    file.write_text(description)
    prepare(home)
    with at_home(home):
        try:
            yield localnet.up(file)
        finally:
            for directory in session_directories():
                with contextlib.suppress(Exception):
                    client.stop(directory.name, force=True)
            fork_server.end()
            localnet.down()


@contextlib.contextmanager
def at_home(home):
    """The launcher's home is there meanwhile."""
    before = os.environ.get(paths.HOME_VARIABLE)
    os.environ[paths.HOME_VARIABLE] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ[paths.HOME_VARIABLE]
        else:
            os.environ[paths.HOME_VARIABLE] = before


def fork_supervisors():
    """Have the supervisors of the network that is up be forked from now on, the first one as well: a second less each.

    That is so while sessions follow upon each other; how it begins and ends by itself, its own tests say.
    """
    with sessions_locked():
        fork_server.begin({**FRUGAL, **os.environ, **paths.variables()})


def prepare(home):
    """Give the network of a ``home`` what each makes at its first start: identities, databases, the base layer.

    It is made once for all jobs, by a first start, and copied: it then starts in half the time.
    """
    made, network = _prepared(), home / "localnet"
    network.mkdir(mode=0o700)
    for role in (daemons.REQUESTOR, daemons.PROVIDER):
        shutil.copytree(made / role, network / role)
    (network / _BASE).symlink_to(made / _BASE)


def _prepared():
    _CACHE.mkdir(exist_ok=True)  # pytest's own, which it makes when it ends
    with files.locked(_CACHE / "network.lock", deadline=_PREPARE_SECONDS * slower()):
        made = _CACHE / f"network-{_digest()}"
        if not made.exists():
            for old in _CACHE.glob("network-*"):
                shutil.rmtree(old)
            _make(made)
    return made


def _digest():
    """Of what makes it."""
    digest = hashlib.sha256(importlib.metadata.version("golem-node").encode())
    for source in sorted(Path(daemons.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _make(made):
    with tempfile.TemporaryDirectory(prefix="prepared-") as name:
        home = Path(name)
        description = home / "network.toml"
        description.write_text("".join(f'[[provider]]\nname = "{number}"\n' for number in range(_ACCOUNTS)))
        with at_home(home):
            localnet.up(description)
            localnet.down()
        network, partial = home / "localnet", made.with_name("partial")
        shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
        for role in (daemons.REQUESTOR, daemons.PROVIDER):
            # What it offered is of its own market; port, log and locks are of its own daemons.
            databases = shutil.ignore_patterns(_OF_A_MARKET, "*.log", "*.lock", "api-port")
            shutil.copytree(network / role, partial / role, ignore=databases)
        shutil.copytree(network / _BASE, partial / _BASE, symlinks=True)
        partial.rename(made)
