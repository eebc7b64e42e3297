"""What the agent is told of a Dask cluster and what a notebook may ask of it, beside a Lab that runs."""

import json
import threading

import pytest

from golem_launcher.agent import dask_process
from golem_launcher.agent.cluster_control import notebook_token
from tests.agent.conftest import TOKEN

NOTEBOOK = notebook_token(TOKEN)


def asked(lab, query=""):
    return json.loads(lab.ask("GET", f"/cluster{query}")[1])


def test_each_token_opens_its_own_half(lab):
    for method, path in (("GET", "/cluster"), ("POST", "/cluster"), ("GET", "/log?wait=0"), ("POST", "/open")):
        assert lab.ask(method, path, NOTEBOOK)[0] == 404, path
    for method, path in (("GET", "/workers"), ("POST", "/workers")):
        assert lab.ask(method, path, TOKEN)[0] == 404, path
        assert lab.ask(method, path, "wrong")[0] == 403, path
    assert lab.ask("GET", "/workers", NOTEBOOK)[0] == 200
    assert NOTEBOOK not in lab.log()[0].decode()


def test_a_question_waits_for_what_a_notebook_asks(lab):
    serial = asked(lab)["serial"]
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(asked(lab, f"?after={serial}&wait=20")))
    waiting.start()
    status, told, _ = lab.ask("POST", "/workers", NOTEBOOK, body=b'{"workers": 3, "retired": [4]}')
    assert (status, json.loads(told)) == (200, {"serial": serial + 1})
    waiting.join(15)
    (answer,) = answers
    assert (answer["serial"], answer["wanted"], answer["retired"]) == (serial + 1, 3, [4])
    told = {"workers": 2, "most": 2, "said": "no more"}
    assert lab.ask("POST", "/cluster", body=json.dumps({"told": told}).encode())[0] == 200
    seen = json.loads(lab.ask("GET", "/workers", NOTEBOOK)[1])
    assert (seen["workers"], seen["most"], seen["said"], seen["asked"]) == (2, 2, "no more", 3)


@pytest.mark.parametrize("query", ["?after=x", "?wait=x", "?after="])
def test_a_question_that_makes_no_sense_is_refused(lab, query):
    assert lab.ask("GET", f"/cluster{query}")[0] == 400


def test_dask_says_why_it_can_not_be():
    assert "no interface in the session's private network" in dask_process._trouble("192.0.2.1")
    assert dask_process._trouble("127.0.0.1") == ""


def test_commands_name_one_process_its_ports_and_certificates():
    told = {"role": "worker", "address": "192.168.7.3", "scheduler": "192.168.7.2", "name": "machine-2"}
    words = " ".join(dask_process.argv(told, "/run/cluster", "/tmp"))
    for part in ("tls://192.168.7.2:8786", "--host 192.168.7.3", "--worker-port 8788", "--no-nanny", "--protocol tls"):
        assert part in words
    words = " ".join(dask_process.argv({**told, "role": "scheduler"}, "/run/cluster", "/tmp"))
    assert "--port 8786 --dashboard-address 127.0.0.1:8787" in words
