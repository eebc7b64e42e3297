"""An agent of a machine that stands by: entered by a token of its own, and by the session's once it leads."""

import json
import os
import signal

from tests.agent.conftest import TOKEN, eventually

SESSION = "a-token-of-the-session"


def lead(agent, token=SESSION):
    return agent.ask("POST", "/lead", body=json.dumps({"endpoint_token": token}).encode())[0]


def test_jupyterlab_lets_in_who_has_the_sessions_token_once_it_leads(agent):
    agent.up(stands_by=True)
    assert agent.get("/api/status", SESSION)[0] == 403
    came, noise = (agent.work / ".jupyter" / "state" / name for name in ("0" * 16, "1" * 16))
    for each in (came, noise):  # brought while it stood by
        each.mkdir(parents=True)
    (came / "notebook").write_text("my.ipynb")
    (agent.work / "my.ipynb").write_text("{}")
    for wrong in ("short", "with a space in the middle", None, 7):
        assert lead(agent, wrong) == 400
    assert lead(agent) == 200
    eventually(lambda: agent.get("/api/status", SESSION)[0] == 200)
    assert agent.get("/api/status", TOKEN)[0] == 403
    assert (came.exists(), noise.exists()) == (True, False), "what came is looked through when it leads"
    cookies = agent.request("GET", f"/lab?token={SESSION}", token=None)[2].get_all("Set-Cookie")
    assert any(cookie.startswith("username-") for cookie in cookies)

    _, server = agent.manager_and_lab()
    os.kill(server, signal.SIGKILL)
    eventually(lambda: agent.get("/api/status", SESSION)[0] == 200)
    assert agent.get("/api/status", TOKEN)[0] == 403
    log = agent.log()[0]
    assert SESSION.encode() not in log
    assert b"stood by, and is used from now on" in log


def test_a_program_does_its_work_once_it_leads(agent):
    argv = ["/bin/sh", "-c", "echo ran >> ran; exec sleep 1000"]
    workload = {"name": "Program", "argv": argv, "unsaved": [], "stays": False, "port": 9, "probe": "/"}
    done = agent.start(stands_by=True, hold=True, workload=workload)
    assert (done.returncode, done.stderr) == (0, "")
    eventually(lambda: agent.ask("GET", "/health")[0] == 200)
    assert agent.ask("POST", "/open", body=b"{}")[0] == 200
    assert json.loads(agent.ask("GET", "/health")[1]) == {"well": True}
    assert not (agent.work / "ran").exists()
    assert lead(agent) == 200
    eventually((agent.work / "ran").exists)
    assert json.loads(agent.ask("GET", "/health")[1]) == {"well": False}
    assert (agent.work / "ran").read_text() == "ran\n"
