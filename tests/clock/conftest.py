"""A local network and all that is started beside it, whose time of day a test sets while everything runs.

It is done by a small library that is preloaded into the programs: nothing needs root, and this computer's own clock
stays as it is. (Debian's libfaketime would be it, but with it Python's ``time.sleep`` fails.)
"""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.networks import own_network

_NETWORK = """
debit_note_interval = 3
terminate_seconds = 0

[[provider]]
name = "one"
memory_gib = 0.55

[[provider]]
name = "two"
memory_gib = 0.55
"""


class TimeOfDay:
    """The time of day of the programs that are started with :attr:`environment`."""

    def __init__(self, library, file):
        self.environment = {"LD_PRELOAD": str(library), "SET_FORTH": str(file)}
        self._file = file
        file.write_bytes(struct.pack("q", 0))

    def set_forth(self, seconds):
        """By so many seconds against the real one; back, when negative."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", round(seconds)))


@pytest.fixture(scope="package")
def library(tmp_path_factory):
    """The library, made here."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang", "tcc"))), None)
    if compiler is None:
        pytest.skip("needs a C compiler; to have a small one: sudo apt install tcc libc6-dev")
    made = tmp_path_factory.mktemp("library") / "set_forth.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, Path(__file__).with_name("set_forth.c")], check=True)
    return made


@pytest.fixture(scope="package")
def time_of_day(library, tmp_path_factory):
    """That of everything that is started meanwhile: network, nodes, supervisors, commands."""
    time_of_day = TimeOfDay(library, tmp_path_factory.mktemp("time") / "of_day")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in time_of_day.environment.items():
            patch.setenv(name, value)
        yield time_of_day


@pytest.fixture(scope="package")
def network(time_of_day, tmp_path_factory):  # noqa: ARG001 - it has that time
    with own_network(tmp_path_factory.mktemp("clock"), _NETWORK) as network:
        yield network
