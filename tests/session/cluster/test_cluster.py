"""What an agent says that a notebook asked for, what its machines are told, and the certificates: no network needed."""

import asyncio
import json
import ssl

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from golem_launcher import paths
from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest
from golem_launcher.session.cluster import cluster as module
from golem_launcher.session.cluster.certificates import Authority
from golem_launcher.session.cluster.cluster import Cluster, ScaleRequest
from golem_launcher.session.cluster.growth_limit import Growth
from golem_launcher.session.on_disk.directory import create_session_directory
from golem_launcher.session.reporting.recorder import Recorder
from golem_launcher.waiting import cancel_all

REQUEST = LaunchRequest(name="clustered", workers=1, max_workers=2)

GOOD = {"serial": 3, "wanted": 4, "retired": [2, 3]}


def test_what_makes_sense_is_taken():
    assert ScaleRequest.of(json.dumps(GOOD).encode()) == ScaleRequest(3, 4, frozenset({2, 3}))


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"[", b"[]", b"null", b"{}", b"[" * 100_000, b'{"serial": 1e400}', b"\xff\xfe",
        *(json.dumps({**GOOD, **bad}).encode() for bad in (
            {"serial": -1}, {"serial": "3"}, {"serial": True}, {"serial": 2**60}, {"serial": None}, {"wanted": None},
            {"wanted": -1}, {"wanted": 2.0}, {"wanted": 10**6}, {"wanted": True}, {"wanted": "4"}, {"retired": None},
            {"retired": "23"}, {"retired": {}}, {"retired": list(range(2000))},
        )),
    ],
)  # fmt: skip
def test_anything_else_asks_for_nothing(answer):
    assert ScaleRequest.of(answer) is None


def test_numbers_of_machines_are_numbers():
    answer = json.dumps({**GOOD, "retired": [2, "x", None, [3], 2.5, True]}).encode()
    assert ScaleRequest.of(answer).retired == {2}


def test_an_authority_certifies_its_own_machines_and_nobody_elses(tmp_path):
    one, other = Authority(), Authority()
    machine = one.certify("machine-2", "192.168.7.3")
    assert machine["ca"] == one.certificate
    certificate = x509.load_pem_x509_certificate(machine["certificate"].encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(one.certificate.encode()))
    with pytest.raises(InvalidSignature):
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(other.certificate.encode()))
    both = tmp_path / "both.pem"
    both.write_text(machine["key"] + machine["certificate"])
    ssl.create_default_context(cadata=one.certificate).load_cert_chain(both)


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "home"))
    recorder = Recorder(create_session_directory(REQUEST))
    yield recorder
    recorder.close()


def test_much_that_moves_between_machines_is_told_once(recorder):
    cluster = Cluster(REQUEST, recorder)
    for number, moved in ((2, 60_000_000), (2, -5), (2, "9"), (2, 1 << 60), (3, 39_000_000)):
        cluster._watch_moved(number, json.dumps({"moved": moved}).encode())
    assert recorder.state.notices == ()
    for number, moved in ((3, 41_000_000), (3, 90_000_000)):
        cluster._watch_moved(number, json.dumps({"moved": moved}).encode())
    (notice,) = recorder.state.notices
    assert "More than 100 MiB" in notice


def test_the_user_alone_moves_the_limit(recorder):
    made = []

    async def main():
        cluster = Cluster(REQUEST, recorder)
        cluster.scaled_by(lambda workers, leaving: made.append((workers, leaving)), lambda: (2,))
        for workers in (-1, 16, True, "3", 2.5):
            with pytest.raises(RequestError):
                await cluster.command({"workers": workers})
        assert (await cluster.command({}))["cluster"] == {"workers": 1, "most": 2, "asked": None}
        assert (await cluster.command({"workers": 4}))["cluster"] == {"workers": 4, "most": 4, "asked": None}
        assert (await cluster.command({"workers": 0}))["cluster"] == {"workers": 0, "most": 4, "asked": None}

    asyncio.run(main())
    assert made == [(1, frozenset()), (4, frozenset()), (0, frozenset())]
    assert (recorder.state.cluster.workers, recorder.state.cluster.most) == (0, 4)


def test_what_is_asked_for_and_given_back_by_turns_is_given_slowly():
    now = [1000.0]
    growth = Growth(3, lambda: now[0])
    assert [growth.take(3) for _ in range(4)] == [3, 3, 0, 0]
    now[0] += 90
    assert [growth.take(3), growth.take(3)] == [1, 0]
    now[0] += 30
    assert growth.take(0) == 0
    assert growth.take(2) == 1, "half a minute before, and now another"
    now[0] += 1e6
    assert [growth.take(100), growth.take(1)] == [6, 0], "never more than at first"


class _Chatty:
    """A head's agent that answers at once, each time with other words for its trouble."""

    def __init__(self):
        self.answered = 0
        self.enough = asyncio.Event()

    async def cluster_asked(self, **_):
        self.answered += 1
        if self.answered == 30:
            self.enough.set()
        return json.dumps({"serial": 5, "wanted": 1, "retired": [], "trouble": f"number {self.answered}"}).encode()


def test_a_head_that_answers_at_once_is_asked_slowly_and_told_of_seldom(recorder, monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.01)
    told = []
    monkeypatch.setattr(recorder, "message", lambda text, _level="info": told.append(text))
    chatty = _Chatty()

    async def main():
        heeding = asyncio.create_task(Cluster(REQUEST, recorder)._heed(chatty))
        began = asyncio.get_running_loop().time()
        await chatty.enough.wait()
        took = asyncio.get_running_loop().time() - began
        await cancel_all(heeding)
        return took

    assert asyncio.run(main()) > 0.25
    assert told == [f"number {number}" for number in range(1, 21)]


class _Told:
    """A machine's agent that takes what it is told."""

    def __init__(self):
        self.told = asyncio.Queue()

    async def tell_cluster(self, told):
        self.told.put_nowait(told)
        return True


def test_a_change_is_told_at_once_and_nothing_is_looked_at_in_between(recorder, monkeypatch):
    monkeypatch.setattr(module, "_RETRY_SECONDS", 1e6)
    looks = []

    def numbers():
        looks.append(1)
        return (2,)

    async def main():
        cluster = Cluster(REQUEST, recorder)
        cluster.scaled_by(lambda _workers, _leaving: None, numbers)
        head, told = _Told(), []
        telling = asyncio.create_task(cluster._keep_told(head, {}))
        for workers in (3, 4):
            told.append((await head.told.get())["told"]["workers"])
            await cluster.command({"workers": workers})
        told.append((await head.told.get())["told"]["workers"])
        await cancel_all(telling)
        return told

    assert asyncio.run(main()) == [1, 3, 4]
    assert len(looks) == 3
