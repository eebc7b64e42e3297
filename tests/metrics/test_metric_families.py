"""What is told of sessions, made of their directories alone."""

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from golem_launcher import files, paths, processes
from golem_launcher.events import CostChanged, Message, NotSaved, ProviderLost, Stage
from golem_launcher.metrics import server
from golem_launcher.metrics.collector import registry
from golem_launcher.metrics.exposition import Exposition
from golem_launcher.metrics.metric_definitions import SESSION, finite
from golem_launcher.metrics.server import token_file
from golem_launcher.metrics.session_reading import MOST_ENDED
from golem_launcher.rental.payment.bill_refusal import DEBIT_NOTE, BillRefusal
from golem_launcher.rental.payment.journal import AgreementEntry, Journal
from golem_launcher.session.cleanup import trash
from golem_launcher.session_state import ClusterState, Saving, StandbyState
from tests.metrics.made import BEGAN, HOSTILE, add_lines, make, make_job
from tests.patience import slower


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    return tmp_path


def figures(text=None):
    """Every sample by its name and labels."""
    families = text_string_to_metric_families(server.text() if text is None else text)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def of(found, name, **labels):
    return found.get((f"golem_launcher_{name}", *sorted(labels.items())))


def test_each_file_of_a_session_is_told():
    directory = make("lab")
    for event in (
        CostChanged(cost=Decimal("0.2"), billed=Decimal("0.1")),
        Message(text="fine"),
        Message(text=HOSTILE, level="warning"),
        Message(text="bad", level="error"),
        ProviderLost(provider_name=HOSTILE, reason=HOSTILE),
        NotSaved(seconds=60, reason="x"),
        CostChanged(cost=Decimal("0.25"), billed=Decimal("0.2")),
    ):
        directory.append_event(event)
    journal = Journal.create(directory.path)
    journal.add_agreement(AgreementEntry(agreement_id="a", provider_id="p", provider_name=HOSTILE, price=None))
    journal.refuse("a", BillRefusal(at=BEGAN, bill=DEBIT_NOTE, amount=Decimal(9), why="too much"))
    text = server.text()
    found = figures(text)
    expected = {
        "supervisor_up": 0, "created_timestamp_seconds": BEGAN.timestamp(), "start_duration_seconds": 12,
        "budget_coins": 5, "cost_coins": 0.25, "billed_coins": 0.2, "price_coins_per_hour": 0.5, "machines": 1,
        "machines_ready": 1, "providers_lost_total": 1, "agreements_total": 1, "bills_refused_total": 1,
        "warnings_total": 1, "errors_total": 1, "trouble": 1, "unsaved_documents": 4, "saves_late_total": 1,
        "saves_late": 0, "saved_timestamp_seconds": BEGAN.timestamp(), "save_interval_seconds": 5,
        "save_generation": 3, "save_duration_seconds": 0.5, "save_new_bytes": 100, "saved_bytes": 1000,
        "saved_files": 10, "store_bytes": 2000, "left_out_files": 2, "at_stake_files": 1, "save_problem": 1,
        "failovers_total": 1, "tunnel_sent_bytes_total": 1000, "tunnel_received_bytes_total": 2000,
        "tunnel_connections_total": 7, "tunnel_failures_total": 2, "tunnel_reconnects_total": 3,
        "variables_kept": 8, "variables_kept_bytes": 100, "variables_lost": 4,
        "deadline_timestamp_seconds": None, "workers_wanted": None, "standby_ready": None, "standby_lag_seconds": None,
    }  # fmt: skip
    assert {name: of(found, f"session_{name}", session="lab") for name in expected} == expected
    machine = {
        "ready": 1, "round_trip_seconds": 0.05, "cpu_cores": 1.5, "memory_bytes": 2**30, "disk_bytes": 5,
        "gpu_utilization_ratio": 0, "gpu_memory_bytes": 7, "gpus": 3, "gpu_memory_size_bytes": 2**31,
        "gpu_temperature_celsius": 60, "gpu_power_watts": 20, "price_coins_per_hour": 0.5, "providers_lost_total": 1,
        "trouble": 1,
    }  # fmt: skip
    assert {name: of(found, f"machine_{name}", session="lab", machine="1") for name in machine} == machine
    assert of(found, "session_info", session="lab", network="local", workload="lab", coin="tGLM") == 1
    assert of(found, "sessions", network="local", stage="ready") == 1
    assert of(found, "sessions", network="local", stage="failed") == 0
    assert of(found, "session_stage", session="lab", stage="ready") == 1
    assert of(found, "session_stage", session="lab", stage="recovering") == 0
    assert of(found, "session_stage_seconds", session="lab", stage="negotiating") == 10
    assert of(found, "session_providers_seen", session="lab", judged="suitable") == 3
    assert of(found, "session_providers_seen", session="lab", judged="too_dear") == 2
    assert of(found, "session_providers_seen", session="lab", judged="unfit") == 0
    assert of(found, "session_stage_seconds", session="lab", stage="ready") > 88
    assert of(found, "start_seconds_bucket", network="local", le="20.0") == 1
    assert of(found, "start_seconds_bucket", network="local", le="10.0") == 0
    assert of(found, "stage_seconds_count", stage="recovering") == 1
    assert of(found, "stage_seconds_count", stage="ready") == 1, "the present one is not over"
    for word in ("evil", "script", "0xaaa", "too much"):
        assert word not in text, "no string of a provider is told"


def test_how_far_a_standby_is_behind_is_told():
    now = datetime.now(UTC)
    saving = Saving(workspace="lab", generation=3, saved_at=now - timedelta(seconds=5))
    make("one", saving=saving, standby=StandbyState(stage="ready", generation=3, saved_at=BEGAN))
    make("two", saving=saving, standby=StandbyState(stage="ready", generation=2, saved_at=now - timedelta(seconds=60)))
    make("none", saving=saving, standby=StandbyState(generation=2, saved_at=now))
    found = figures()
    told = {name: of(found, "session_standby_lag_seconds", session=name) for name in ("one", "two", "none")}
    assert (5 <= told["one"] < 20, 60 <= told["two"] < 80, told["none"]) == (True, True, None)
    ready = {name: of(found, "session_standby_ready", session=name) for name in ("one", "two", "none")}
    assert ready == {"one": 1, "two": 1, "none": 0}


def test_what_grows_by_itself_is_told_anew_when_nothing_has_happened():
    now = datetime.now(UTC)
    make(
        "lab",
        saving=Saving(workspace="lab", generation=3, saved_at=now, interval=5),
        standby=StandbyState(stage="ready", generation=2, saved_at=now - timedelta(seconds=60)),
    )
    exposition = Exposition(registry())
    first, second = (figures(exposition.text().decode()) for _ in range(2))
    for name, labels in (("session_standby_lag_seconds", {}), ("session_stage_seconds", {"stage": "ready"})):
        assert of(second, name, session="lab", **labels) > of(first, name, session="lab", **labels)
    same = of(first, "session_saved_timestamp_seconds", session="lab")
    assert of(second, "session_saved_timestamp_seconds", session="lab") == same


def test_what_is_new_is_told_by_the_next_scrape_and_nothing_twice():
    directory = make("lab")
    known = registry()

    def scrape():
        return {(one.name, *sorted(one.labels.items())): one.value for each in known.collect() for one in each.samples}

    assert of(scrape(), "session_warnings_total", session="lab") == 0
    directory.append_event(Message(text="one", level="warning"))
    assert of(scrape(), "session_warnings_total", session="lab") == 1
    directory.append_event(Message(text="two", level="warning"))
    with (directory.path / "events.jsonl").open("ab") as events:
        events.write(b'{"kind": "message", "lev')  # half of what is being written
    for _ in range(2):
        found = scrape()
        assert of(found, "session_warnings_total", session="lab") == 2
        assert of(found, "stage_seconds_count", stage="recovering") == 1
        assert of(found, "start_seconds_count", network="local") == 1
    directory.write_state(directory.state().model_copy(update={"cost": Decimal(1), "stage": Stage.ENDED}))
    found = scrape()
    assert of(found, "session_cost_coins", session="lab") == 1
    assert of(found, "session_supervisor_up", session="lab") is None, "nobody is to look after what is over"
    assert of(found, "machine_ready", session="lab", machine="1") is None
    trash.put(directory)
    found = scrape()
    assert of(found, "session_cost_coins", session="lab") is None
    assert of(found, "stage_seconds_count", stage="recovering") == 1, "what was counted stays counted"
    make("lab", cost=Decimal(2))
    found = scrape()
    assert of(found, "session_cost_coins", session="lab") == 2
    assert of(found, "session_warnings_total", session="lab") == 0, "it is another one"


def test_it_is_told_how_far_jobs_are():
    job = make_job("many", tasks=5, done=(0, 1), failed=(1, 2))
    (make_job("odd", tasks=1, done=(0,)).path / "job.json").write_text("[1]")
    known = registry()
    for more, count, failed in ((), 2, 1), ((2, 2, 3), 4, 0), ((), 4, 0):
        add_lines(job, done=more)
        text = generate_latest(known).decode()
        found = figures(text)
        assert HOSTILE.partition("\n")[2] not in text
        assert of(found, "job_tasks", job="many") == 5
        assert of(found, "job_tasks_done", job="many") == count
        assert of(found, "job_tasks_failed", job="many") == failed
        assert of(found, "task_seconds_count") == count + 1
    assert of(found, "job_tasks", job="odd") is None
    assert of(found, "job_tasks_done", job="odd") == 1


def test_a_damaged_session_is_told_as_far_as_it_can_be_read_and_harms_no_other():
    make("whole")
    (make("damaged").path / "state.json").write_text("{")
    (make("odd", network="nobody's").path / "events.jsonl").write_bytes(b"\xff\xfe\nnull\n[]\n")
    (make("journal").path / "journal.json").write_text("[]")
    found = figures()
    assert of(found, "session_cost_coins", session="whole") == 0.25
    assert of(found, "session_cost_coins", session="odd") == 0.25
    assert of(found, "session_info", session="odd", network="other", workload="lab", coin="GLM") == 1
    assert of(found, "session_agreements_total", session="journal") == 0
    assert ("golem_launcher_session_budget_coins", ("session", "damaged")) in found


def test_numbers_that_are_none_are_not_told():
    assert [finite(one) for one in (None, float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"))] == [None] * 5
    assert finite(10**400) is None
    assert finite(Decimal("1e400")) is None
    assert finite(0) == 0
    make("lab", cost=Decimal("1e400"))
    assert of(figures(), "session_cost_coins", session="lab") is None


@pytest.mark.slow
def test_twenty_busy_sessions_are_read_fast_and_have_few_series_each():
    """Each with all that a session can have."""
    soon = datetime.now(UTC) + timedelta(hours=1)
    everything = {
        "stages": tuple((stage, BEGAN + timedelta(seconds=at)) for at, stage in enumerate([*Stage, Stage.READY])),
        "standby": StandbyState(stage="ready", generation=3, saved_at=BEGAN),
        "cluster": ClusterState(workers=2, most=3), "deadline": soon, "money_ends_at": soon,
    }  # fmt: skip
    for number in range(20):
        directory = make(f"s-{number}", machines=30, **everything)
        lines = [CostChanged(cost=Decimal(1), billed=Decimal(1)).model_dump_json() for _ in range(1000)]
        (directory.path / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
        files.write_json(directory.path / "supervisor.json", processes.ProcessRecord.of(os.getpid()).to_json())
    known = registry()
    count = {}
    for family in known.collect():
        for sample in family.samples:
            session = sample.labels.get("session")
            count[session] = count.get(session, 0) + 1
    told = {sample.name for family in known.collect() for sample in family.samples if sample.labels.get("session")}
    whole = {f"golem_launcher_session_{one.name}" for one in SESSION}
    assert whole <= told, "none is left out"
    assert max(found for session, found in count.items() if session) < 200
    assert count[None] < 300
    exposition = Exposition(known)
    exposition.text()
    took = []
    for _ in range(10):
        began = time.thread_time()
        exposition.text()
        took.append(time.thread_time() - began)
    assert min(took) < 0.05, "seconds of the processor; 0.008 on a computer that does nothing else"


def test_the_text_is_that_of_the_library_whatever_labels_and_figures_are():
    make("lab", machines=2)
    make_job("many", tasks=5, done=(0, 1))
    odd = GaugeMetricFamily("odd", "With \\ and\na line.", labels=("a", "b"))
    for number, labels in enumerate([(HOSTILE, ""), ("\\", "ü"), ("", HOSTILE)]):
        odd.add_metric(labels, (math.inf, -1e9, 123456789.5)[number])
    total = CounterMetricFamily("told", "Once.", value=3)
    families = [*registry().collect(), odd, total]
    same = SimpleNamespace(collect=lambda: families)
    exposition = Exposition(same)
    for _ in range(2):
        assert exposition.text() == generate_latest(same)


def test_of_sessions_that_are_over_only_the_newest_are_told():
    for number in range(MOST_ENDED + 5):
        directory = make(f"over-{number}", stage=Stage.ENDED)
        for path in (directory.path / "request.json", directory.path):
            os.utime(path, (number, number))
    make("goes-on")
    found = figures()
    told = {labels[0][1] for name, *labels in found if name == "golem_launcher_session_cost_coins"}
    assert told == {"goes-on", *(f"over-{number}" for number in range(5, MOST_ENDED + 5))}


ANOTHER_USER = """
import encodings.idna, os, socket, sys
os.setuid(65534)
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as asks:
    try:
        asks.sendall(sys.argv[3].encode())
        while got := asks.recv(65536):
            print(got.decode())
    except ConnectionError:
        pass
"""


@pytest.mark.slow
def test_it_is_served_here_to_who_has_the_token_and_ends_when_told(home):
    make("lab")
    command = [sys.executable, "-m", "golem_launcher.cli", "metrics", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as served:
        try:
            told = json.loads("".join(iter(served.stdout.readline, "}\n")) + "}")
            assert told["url"].startswith("http://127.0.0.1:")
            assert told["token_file"] == str(home / "metrics.token")
            assert (home / "metrics.token").stat().st_mode & 0o777 == 0o600
            token = (home / "metrics.token").read_text()
            host, port = urllib.parse.urlsplit(told["url"]).netloc.split(":")
            silent = [socket.create_connection((host, int(port)), timeout=60 * slower()) for _ in range(80)]
            for number, one in enumerate(silent):
                with one, contextlib.suppress(ConnectionResetError):
                    if number % 2:
                        one.sendall(b"GET /metrics HTTP/1.1\r\n")
                    assert one.recv(1) == b"", "who asks nothing is not waited for"
            for given in ({}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {token}"}):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(urllib.request.Request(told["url"], headers=given), timeout=60 * slower())
                assert refused.value.code == 401
                assert f'curl --oauth2-bearer "$(cat {token_file()})" {told["url"]}' in refused.value.read().decode()
                refused.value.close()
            asked = urllib.request.Request(told["url"], headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(asked, timeout=60 * slower()) as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=")
                assert of(figures(answer.read().decode()), "session_cost_coins", session="lab") == 0.25
            if os.geteuid() == 0:  # only then another user can be asked for
                request = f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
                request += "Connection: close\r\n\r\n"
                asks = [sys.executable, "-c", ANOTHER_USER, host, port, request]
                said = subprocess.run(asks, capture_output=True, text=True, check=True, timeout=120 * slower()).stdout
                assert " 200 " not in said
                assert "golem_launcher_" not in said
            taken = [*command[:-2], told["url"].split(":")[2].split("/")[0]]
            second = subprocess.run(taken, capture_output=True, text=True, check=False, timeout=120 * slower())
            assert second.returncode == 1
            assert "Choose another one by --port" in second.stderr
        finally:
            served.send_signal(signal.SIGTERM)
        assert served.wait(60) == 0
        assert served.stderr.read() == ""


@pytest.mark.slow
def test_once_prints_and_ends():
    make("lab")
    command = [sys.executable, "-m", "golem_launcher.cli", "metrics", "--once"]
    plain = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120 * slower())
    assert of(figures(plain.stdout), "session_cost_coins", session="lab") == 0.25
    values = json.loads(
        subprocess.run([*command, "--json"], capture_output=True, check=True, timeout=120 * slower()).stdout
    )
    assert {"name": "golem_launcher_session_cost_coins", "labels": {"session": "lab"}, "value": 0.25} in values
