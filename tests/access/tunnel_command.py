"""``golem-launcher tunnel`` as a program, and a question that is asked by what it opens."""

import contextlib
import json
import signal
import socket
import subprocess
import sys

from tests.patience import slower

SECONDS = 60
CLI = (sys.executable, "-m", "golem_launcher.cli")
REQUEST = b"GET /api HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def tunnel(*arguments):
    """A running `golem-launcher tunnel`; what it printed, as JSON."""
    process = subprocess.Popen(
        [*CLI, "tunnel", *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, process.stderr.read()
            text += line
        yield process, json.loads(text)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS * slower())


def ask(address, question):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), SECONDS * slower()) as connection:
        connection.sendall(question)
        # Not ended from here: a Jupyter server drops its answer to somebody who has.
        found = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(65536):
                found += data
        return found
