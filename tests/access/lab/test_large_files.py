"""Large files between a session's Lab and a browser: by transfers of the activity, exact, beside saves."""

import base64
import hashlib
import http.client
import json
import os
import threading
import urllib.request

from golem_launcher.session import client
from tests.agent.conftest import eventually
from tests.patience import slower
from tests.session.conftest import command

_SIZE = 40_000_000


def _get(directory, path, **headers):
    headers = {"Authorization": f"token {directory.token()}", **headers}
    return urllib.request.urlopen(urllib.request.Request(f"{directory.state().address}{path}", headers=headers))


def test_a_file_is_downloaded_beside_a_save(remote_session, tmp_path):
    directory, _ = remote_session
    source = tmp_path / "large.bin"
    source.write_bytes(os.urandom(_SIZE))
    command("cp", str(source), f"{directory.name}:downloads/")
    saving = threading.Thread(target=client.save, args=(directory.name,))
    saving.start()
    by_transfer = False
    hasher = hashlib.sha256()
    with _get(directory, "/files/downloads/large.bin") as answer:
        assert int(answer.headers["Content-Length"]) == _SIZE
        while block := answer.read(1_000_000):
            hasher.update(block)
            by_transfer = by_transfer or any(directory.scratch.glob("pieces-*/cp-*"))
    saving.join()
    assert hasher.hexdigest() == hashlib.sha256(source.read_bytes()).hexdigest()
    assert by_transfer
    with _get(directory, "/files/downloads/large.bin", Range="bytes=10000000-29999999") as answer:
        assert answer.status == 206
        assert answer.read() == source.read_bytes()[10_000_000:30_000_000]
    eventually(lambda: not list(directory.scratch.glob("pieces-*")))


def test_a_file_is_uploaded_as_a_page_sends_it(remote_session, tmp_path):
    directory, _ = remote_session
    data, size = os.urandom(_SIZE), 1024 * 1024
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    connection = http.client.HTTPConnection(directory.state().address.removeprefix("http://"), timeout=60 * slower())
    headers = {"Authorization": f"token {directory.token()}", "Content-Type": "application/json"}
    gathered = False
    for number, part in enumerate(parts, 1):
        model = {"type": "file", "format": "base64", "name": "up.bin", "chunk": -1 if number == len(parts) else number}
        body = json.dumps({**model, "content": base64.b64encode(part).decode()})
        connection.request("PUT", "/api/contents/up.bin", body, headers)
        answer = connection.getresponse()
        told = json.loads(answer.read())
        assert (answer.status, told["path"], told["size"]) == (
            201 if number == 1 else 200, "up.bin", min(number * size, _SIZE)
        )  # fmt: skip
        gathered = gathered or any(directory.scratch.glob("pieces-*/cp-*"))
    connection.close()
    assert gathered
    command("cp", f"{directory.name}:up.bin", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == data
