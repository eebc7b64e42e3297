"""What docs/monitoring ships, with a real Prometheus that asks about a real session."""

import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from golem_launcher.events import Stage, Used
from golem_launcher.metrics import nodes
from golem_launcher.request import LaunchRequest
from golem_launcher.session import client
from golem_launcher.session.reporting import start_trace
from golem_launcher.session_state import ClusterState, ProvidersSeen, StandbyState
from tests.metrics.made import make, make_job
from tests.networks import own_network
from tests.patience import slower
from tests.session.ending import BUSY
from tests.session.trace_receiver import receiving

SHIPPED = Path(__file__).resolve().parents[2] / "docs" / "monitoring"
DASHBOARDS = sorted((SHIPPED / "grafana" / "dashboards").glob("*.json"))
NETWORK = """
[[provider]]
name = "one"
memory_gib = 0.55
price_hour = 0.02
price_cpu_hour = 0.02
"""


def panels(kind):
    """Every query of every dashboard to data sources of a kind, by dashboard and panel."""
    return [
        (f"{path.stem}: {panel['title']}", target["expr"])
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    ]


def promtool(*arguments):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian's prometheus)")
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, timeout=300 * slower()
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_every_alert_is_understood_and_tried():
    promtool("check", "rules", SHIPPED / "prometheus" / "alerts.yml")
    promtool("test", "rules", SHIPPED / "prometheus" / "alerts.test.yml")
    promtool("check", "config", "--syntax-only", SHIPPED / "prometheus" / "prometheus.yml")
    rules = yaml.safe_load((SHIPPED / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((SHIPPED / "prometheus" / "alerts.test.yml").read_text())["tests"]
    tried = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert {rule["alert"] for rule in rules} == tried
    assert {rule["labels"]["severity"] for rule in rules} == {"critical", "warning", "info"}


def test_all_listen_here_alone_and_nobody_enters_grafana_without_a_password():
    compose = yaml.safe_load((SHIPPED / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"prometheus", "loki", "alloy", "grafana"}
    for service in services.values():
        assert service["network_mode"] == "host"
        assert "ports" not in service
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", service["image"])
        for volume in service["volumes"]:
            if volume.startswith("./"):
                assert (SHIPPED / volume.split(":")[0]).exists()
    assert "--web.listen-address=127.0.0.1:9090" in services["prometheus"]["command"]
    assert "--server.http.listen-addr=127.0.0.1:12345" in services["alloy"]["command"]
    assert services["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_PASSWORD:?")
    loki = yaml.safe_load((SHIPPED / "loki" / "loki.yml").read_text())
    assert loki["server"]["http_listen_address"] == loki["server"]["grpc_listen_address"] == "127.0.0.1"


@pytest.mark.parametrize("path", [SHIPPED.with_suffix(".md"), SHIPPED / "compose.yaml"])
def test_it_is_said_who_can_read_it_and_what_it_writes_is_private(path, tmp_path):
    said = " ".join(path.read_text().replace("\n#", "\n").split())
    assert "answer every user of this computer" in said
    (begin,) = (line.lstrip("# ") for line in path.read_text().splitlines() if "mkdir -p" in line)
    subprocess.run(["bash", "-ec", f"umask 022; {begin}"], env={**os.environ, "HOME": str(tmp_path)}, check=True)
    made = list(tmp_path.rglob("*"))
    assert {one.name for one in made} == {"golem-monitoring", "prometheus", "loki", "grafana", "alloy", "password"}
    assert not any(one.stat().st_mode & 0o077 for one in made)
    assert len((tmp_path / "golem-monitoring" / "password").read_text().strip()) == 24


def test_dashboards_ask_the_sources_that_are_provisioned():
    provisioned = SHIPPED / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioned / "datasources" / "datasources.yml").read_text())["datasources"]
    known = {(source["type"], source["uid"]) for source in sources}
    assert {source["url"] for source in sources} == {"http://127.0.0.1:9090", "http://127.0.0.1:3100"}
    uids = set()
    for path in DASHBOARDS:
        made = json.loads(path.read_text())
        uids.add(made["uid"])
        assert len({panel["id"] for panel in made["panels"]}) == len(made["panels"])
        for panel in made["panels"]:
            asked = {(target["datasource"]["type"], target["datasource"]["uid"]) for target in panel["targets"]}
            assert asked <= known
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    assert len(uids) == len(DASHBOARDS) == 8
    assert panels("loki")


@pytest.fixture(scope="module")
def receiver():
    """Where the trace of its start goes."""
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def session(tmp_path_factory, receiver):
    """A session that is ready and saved, and one as GPUs and clusters leave it."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian's prometheus)")
    home = tmp_path_factory.mktemp("monitored")
    with own_network(home, NETWORK):
        soon = datetime.now(UTC) + timedelta(hours=1)
        standby = StandbyState(stage="ready", generation=3, saved_at=soon)
        make("gpus", cluster=ClusterState(workers=2, most=3), money_ends_at=soon, deadline=soon, standby=standby)
        make_job("many", tasks=4, done=(0, 1), failed=(2,))
        brought = home / "brought.txt"
        brought.write_text("brought along")
        asked = {"memory_gib": 0.5, "disk_gib": 0.5, "budget": 5, "save_seconds": 1, "inputs": [str(brought)]}
        request = LaunchRequest(name="real", **asked)
        directory = client.start(request, environment=start_trace.environment(receiver.url))
        known = client.wait_for(
            directory,
            lambda state: state.stage is Stage.READY and state.head.usage is not None and state.saving is not None,
            BUSY * 60 * slower(),
        )
        assert known is not None, directory.supervisor_log.read_text()[-4000:]
        client.save("real")
        yield directory
        client.stop("real", force=True)


@pytest.fixture(scope="module")
def ask(session, tmp_path_factory):  # noqa: ARG001 - there must be one
    """Asks a Prometheus that scrapes what ``golem-launcher metrics`` serves, as the shipped settings have it."""
    place = tmp_path_factory.mktemp("prometheus")
    shutil.copy(SHIPPED / "prometheus" / "alerts.yml", place)
    with contextlib.ExitStack() as stack:
        served = _started(
            stack, [sys.executable, "-m", "golem_launcher.cli", "metrics", "--port", "0", "--json"], place
        )
        told = json.loads("".join(iter(served.stdout.readline, "}\n")) + "}")
        settings = yaml.safe_load((SHIPPED / "prometheus" / "prometheus.yml").read_text())
        often = f"{math.ceil(slower())}s"
        settings["global"] = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), often)
        job = settings["scrape_configs"][0]
        job["authorization"]["credentials_file"] = told["token_file"]
        job["static_configs"][0]["targets"] = [urllib.parse.urlsplit(told["url"]).netloc]
        (place / "prometheus.yml").write_text(yaml.safe_dump(settings))
        command = ["prometheus", f"--config.file={place / 'prometheus.yml'}", f"--storage.tsdb.path={place / 'data'}",
                   "--web.listen-address=127.0.0.1:0"]  # fmt: skip
        _started(stack, command, place, log=place / "log")
        address = _until(lambda: re.search(r'Listening on"? .*?(127\.0\.0\.1:\d+)', (place / "log").read_text()))[1]

        def ask(path, **parameters):
            url = f"http://{address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
            with urllib.request.urlopen(url, timeout=60 * slower()) as answer:
                return json.load(answer)["data"]

        _until(lambda: _answers(ask, "query", query="golem_launcher_read_seconds"))
        yield ask


def _started(stack, command, place, log=None):
    file = stack.enter_context((log or place / "ignored").open("wb"))
    out = subprocess.PIPE if log is None else file
    started = subprocess.Popen(command, cwd=place, stdout=out, stderr=file, text=True, env={**os.environ, "TZ": "UTC"})
    stack.callback(lambda: started.stdout and started.stdout.close())
    stack.callback(started.wait, 60)
    stack.callback(started.terminate)
    return started


def _answers(ask, path, **parameters):
    """What it answers; nothing while it does not."""
    try:
        return ask(path, **parameters).get("result")
    except (OSError, urllib.error.URLError):
        return None


def _until(found, seconds=BUSY * 60):
    end = time.monotonic() + seconds * slower()
    while not (value := found()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return value


@pytest.mark.slow
def test_what_a_session_uses_is_kept_in_its_events(session):
    def kept():
        return [event for event in session.events()[0] if isinstance(event, Used)][1:]

    assert session.state().providers_seen == ProvidersSeen(suitable=1)
    first = _until(kept)[0]
    assert first.usage.memory_bytes > 0
    assert first.save_age is not None
    assert first.line == ""


@pytest.mark.slow
def test_its_start_is_a_trace(session, receiver):
    _, spans = receiver.trace()
    (whole,) = [span for span in spans if not span.parent_span_id]
    took = (whole.end_time_unix_nano - whole.start_time_unix_nano) / 1e9
    state = session.state()
    assert abs(took - (state.started_at - state.created_at).total_seconds()) < 0.01
    assert {"checking", "negotiating", "deploying", "starting"} <= {span.name for span in spans} - {"ready"}
    assert receiver.is_empty, "one trace for one start"


@pytest.mark.slow
def test_every_panel_shows_something(ask):
    queries = [(where, query.replace("$session", "real")) for where, query in panels("prometheus")]
    assert len(queries) > 60
    end = time.monotonic() + BUSY * 60 * slower()
    while empty := [one for one in queries if not ask("query", query=one[1])["result"]]:
        assert time.monotonic() < end, empty
        queries = empty
        time.sleep(0.5)
    assert ask("label/session/values") == ["gpus", "real"]
    saved = ("saved_files", "saved_bytes", "save_new_bytes", "store_bytes", "save_duration_seconds")
    for figure in (*saved, "tunnel_sent_bytes_total", "tunnel_received_bytes_total", "tunnel_connections_total"):
        query = f'max_over_time(golem_launcher_session_{figure}{{session="real"}}[1h]) > 0'
        assert _until(lambda query=query: ask("query", query=query)["result"]), figure
    assert _until(lambda: ask("query", query='golem_launcher_machine_round_trip_seconds{session="real"} > 0')["result"])
    assert _until(lambda: ask("query", query='golem_launcher_node_up{node="local"} == 1')["result"])
    for name in set(nodes.FIGURES) - {"net_connections_p2p", "net_connections_relay"}:  # there are none on one computer
        told = ask("query", query=f'golem_launcher_node_{name}_total{{node="local"}}')["result"]
        assert told, f"yagna tells no {name}"
    signed = 'golem_launcher_node_market_agreements_requestor_approved_total{node="local"} > 0'
    assert ask("query", query=signed)["result"]


@pytest.mark.slow
def test_every_alert_is_judged_and_that_of_nobody_who_looks_after_it_is_told(ask):
    def judged():
        rules = {rule["name"]: rule for group in ask("rules")["groups"] for rule in group["rules"]}
        told = rules.get("GolemSupervisorGone", {}).get("alerts")
        return rules if told and all(rule["health"] == "ok" for rule in rules.values()) else None

    rules = _until(judged)
    assert len(rules) > 10
    alerts = rules["GolemSupervisorGone"]["alerts"]
    assert [alert["labels"]["session"] for alert in alerts] == ["gpus"], "it has no supervisor, and the real one has"
    assert rules["GolemLauncherAway"]["state"] != "firing"
    named = {name for rule in rules.values() for name in re.findall(r"golem_launcher_\w+", rule["query"])}
    _until(lambda: named <= set(ask("label/__name__/values")))
