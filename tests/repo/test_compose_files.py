"""The compose files in the documents are such, by the specification's own schema: none is run by these tests."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.patience import slower

_WITH_SCHEMAS = "check-jsonschema==0.39.0"
_SCHEMA = "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
_DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def schema(tmp_path):
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp_path), _WITH_SCHEMAS]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120 * slower(), check=False)
    if done.returncode:
        pytest.skip(f"pip did not fetch the schema: {done.stderr[-300:]}")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return json.loads(archive.read(_SCHEMA))


@pytest.mark.slow
def test_each_is_one(schema):
    guide = (_DOCS / "hub.md").read_text()
    hub = yaml.safe_load(guide.partition("`compose.yaml`:")[2].partition("```yaml\n")[2].partition("```")[0])
    monitoring = yaml.safe_load((_DOCS / "monitoring" / "compose.yaml").read_text())
    for name, shown in (("hub", hub), ("grafana", monitoring)):
        jsonschema.validate(shown, schema)
        with pytest.raises(jsonschema.ValidationError, match="prots"):
            jsonschema.validate({"services": {name: {**shown["services"][name], "prots": []}}}, schema)
