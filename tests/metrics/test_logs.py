"""What sessions log, as it comes to Loki by the configurations that are shipped, and what dashboards ask of it."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from golem_launcher import paths
from golem_launcher.events import EVENT, CostChanged, Message, Progress, ProviderLost, Stage, StageChanged, Usage, Used
from tests.metrics.collecting import alloys, collected
from tests.metrics.loki import listening
from tests.metrics.made import HOSTILE, make
from tests.metrics.test_monitoring import SHIPPED, panels
from tests.patience import slower

ROOT = Path(__file__).resolve().parents[2]
PROMTAIL = yaml.safe_load((SHIPPED / "promtail" / "promtail.yml").read_text())
_LONG = "x" * 20_000


@pytest.fixture
def loki():
    settings = yaml.safe_load((SHIPPED / "loki" / "loki.yml").read_text())
    with listening(settings["limits_config"]) as found:
        yield found


def push(loki, streams):
    """The status for one push."""
    body = json.dumps({"streams": streams}).encode()
    asked = urllib.request.Request(loki.url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=60 * slower()) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def push_all(loki):
    """All that sessions logged, by promtail's configuration, an entry at a time."""
    for entry in collected(PROMTAIL, paths.sessions_directory()):
        assert push(loki, [{"stream": entry.labels, "values": [[str(entry.at), entry.line]]}]) == 204


@pytest.mark.slow
def test_events_come_as_json_lines_with_labels_of_ours_and_at_their_own_time(loki, tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    directory = make("lab")
    news = [
        StageChanged(stage=Stage.READY, reason=HOSTILE),
        Message(text=HOSTILE, level="warning"),
        Message(text=f"two\nlines {HOSTILE}", level="error"),
        ProviderLost(provider_name=HOSTILE, reason="\x1b[31m\u2028"),
    ]
    figures = [
        Progress(what=HOSTILE, done=1, total=2),
        CostChanged(cost=Decimal(1)),
        Used(usage=Usage(memory_bytes=1)),
    ]
    for event in (*news, *figures, Message(text=_LONG)):
        directory.append_event(event)
    printed = [*(f"line {number} {HOSTILE.splitlines()[0]}" for number in range(3000)), _LONG]
    (directory.path / "workload.log").write_text("\n".join(printed))
    (directory.path / "workload-2.log").write_bytes(b'{"kind": "evil", "level": "evil", "at": "nonsense"}\n\xff\xfe\n')
    directory.supervisor_log.write_text("started\n")
    (make("other").path / "workload.log").write_text("hello\n")
    push_all(loki)

    names = {name for labels in loki.streams for name, _ in labels}
    assert names == {"app", "log", "session", "kind", "level"}
    values = {value for labels in loki.streams for _, value in labels}
    ours = {"golem-launcher", "events", "workload", "supervisor", "stage", "message", "lost", "warning", "error"}
    assert values == {*ours, "lab", "other"}, "none is a provider's"
    events = loki.selected('{log="events", session="lab"}')
    assert {EVENT.validate_json(line).kind for line in events} == {"stage", "message", "lost"}
    assert sorted(map(EVENT.validate_json, events), key=lambda one: one.at) == news, "whole, and no figure among them"
    for labels, lines in loki.streams.items():
        if dict(labels)["log"] == "events":
            assert all(abs(at / 1e9 - EVENT.validate_json(line).at.timestamp()) < 1e-6 for at, line in lines)
    assert len(loki.selected('{log="workload", session="lab"}')) == 2000, "a burst, however much was printed"
    assert loki.selected('{log="supervisor"}') == ["started"], "which costs nobody else a line"
    assert loki.selected('{log="workload", session="other"}') == ["hello"]
    assert all(len(line) < 16 * 1024 for line in loki.selected('{app="golem-launcher"}'))


def test_what_loki_refuses_is_refused(loki):
    """Else nothing would be proven above."""
    now = str(time.time_ns())
    good = {"stream": {"app": "x"}, "values": [[now, "line"]]}
    assert push(loki, [good]) == 204
    for wrong in (
        {"stream": {}}, {"stream": {"a-b": "x"}}, {"stream": {"a": 1}}, {"values": [[int(now), "line"]]},
        {"values": [["1", "line"]]}, {"values": [[now + "0", "line"]]}, {"values": [[now, {"at": 1}]]},
        {"values": [[now, "x" * 20_000]]}, {"stream": {f"l{number}": "x" for number in range(16)}},
    ):  # fmt: skip
        assert push(loki, [good | wrong]) == 400, wrong
    assert len(loki.selected('{app="x"}')) == 1


def test_alloy_is_told_the_same_as_promtail():
    told = alloys((SHIPPED / "alloy" / "config.alloy").read_text())
    assert told["loki.write.here"]["stages"] == [{"endpoint": {"url": PROMTAIL["clients"][0]["url"]}}]
    for job in PROMTAIL["scrape_configs"]:
        name = job["job_name"]
        assert told[f"local.file_match.{name}"]["path_targets"] == [one["labels"] for one in job["static_configs"]]
        assert told[f"loki.source.file.{name}"]["targets"] == f"local.file_match.{name}.targets"
        (receiver,) = told[f"loki.source.file.{name}"]["forward_to"]
        stages = []
        while receiver != "loki.write.here.receiver":  # whichever way it goes
            process = told[receiver.removesuffix(".receiver")]
            stages += map(_as_promtail_has_it, process["stages"])
            (receiver,) = process["forward_to"]
        assert stages == [_with_names(stage) for stage in job["pipeline_stages"]]


def _as_promtail_has_it(stage):
    ((kind, said),) = stage.items()
    said = {name: value for name, value in said.items() if name != "drop_counter_reason"}
    if kind == "match":
        return {kind: {**said, "stages": [_as_promtail_has_it(inner) for inner in said["stages"]]}}
    if kind in {"labels", "label_drop"}:
        return {kind.replace("_", ""): said["values"]}
    return {kind: said}


def _with_names(stage):
    """promtail says nothing where a label has the name of what was found."""
    ((kind, said),) = stage.items()
    return {kind: {name: value or "" for name, value in said.items()}} if kind == "labels" else stage


PARSES = """
const {parser} = require("@grafana/lezer-logql");
const wrong = JSON.parse(process.argv[1]).filter((query) => {
  let errors = 0;
  parser.parse(query).iterate({enter: (node) => { errors += node.type.isError ? 1 : 0; }});
  return errors > 0;
});
console.log(JSON.stringify(wrong));
"""


def test_every_query_of_logs_is_understood_and_finds_something(loki, tmp_path, monkeypatch):
    if shutil.which("node") is None or not (ROOT / "node_modules" / "@grafana" / "lezer-logql").exists():
        pytest.skip("the grammar of LogQL is not installed (npm ci)")
    queries = [query.replace("$session", "lab") for _, query in panels("loki")]
    assert len(queries) > 2
    broken = ["{app=golem-launcher}", 'sum by (session (rate({app="x"}[1m]))', '{app="x"} | json |']
    command = ["node", "-e", PARSES, json.dumps([*queries, *broken])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60 * slower())
    assert json.loads(done.stdout) == broken
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    make("lab").append_event(Message(text="something", level="warning"))
    push_all(loki)
    for query in queries:
        assert loki.selected(query[query.index("{") : query.index("}") + 1]), query
