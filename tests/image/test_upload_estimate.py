"""What is said of the sending of an image: by what was measured, else by what lines usually send."""

import json

import pytest

from golem_launcher import paths
from golem_launcher.events import Progress
from golem_launcher.image import upload_estimate
from golem_launcher.image.upload_estimate import Upload, upload


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path))
    return tmp_path


def test_before_anything_was_measured_two_lines_are_named():
    one = upload(86_000_000, "polygon")
    assert one.words == (
        "82.0 MiB go from your computer to the provider, which is paid meanwhile: about 69 s at 10 Mbit/s, 14 s at "
        "50 Mbit/s. A provider that has it already needs none of that."
    )
    assert one.to_json() == {"bytes": 86_000_000, "seconds": 68.8, "mbit_per_second": 10.0, "measured": False}


def test_what_was_measured_counts_for_the_lines_of_its_kind_alone():
    upload_estimate.note("polygon", 86_000_000, 172.0)  # 4 Mbit/s
    upload_estimate.note("local", 86_000_000, 0.5)
    for network in ("", "hoodi", "polygon"):
        one = upload(160_000_000, network)
        assert "about 5 min at 4.0 Mbit/s, as measured the last time. " in one.words
        assert one.to_json()["measured"]
    assert upload(160_000_000, "local").seconds < 1


def test_what_takes_long_names_the_registry():
    assert "image push" in Upload(2_900_000_000, 0).words
    assert "image push" not in Upload(86_000_000, 0).words
    assert Upload(2_900_000_000, 0).words.startswith("2.7 GiB go from")


@pytest.mark.parametrize(("sent", "seconds"), [(0, 0), (4_000_000, 1), (86_000_000, 0)])
def test_what_tells_too_little_is_not_kept(home, sent, seconds):
    upload_estimate.note("hoodi", sent, seconds)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    "kept", ["", "[]", '{"internet": 3}', '{"internet": {"rate": "1"}}', '{"internet": {"rate": -1}}']
)
def test_a_damaged_file_is_no_measure(home, kept):
    (home / "uplink.json").write_text(kept)
    assert upload(1, "hoodi").measured == 0
    upload_estimate.note("hoodi", 10_000_000, 10)
    assert upload(1, "hoodi").measured == 1_000_000
    assert set(json.loads((home / "uplink.json").read_text())) == {"internet"}


def test_how_far_it_is_says_how_fast_and_how_long_still():
    far = {"what": "Sending the image", "done": 12_000_000, "total": 86_000_000, "unit": "bytes"}
    assert Progress(**far).words == "Sending the image: 11.4 of 82.0 MiB (14 %)"
    assert Progress(**far, rate=1_250_000).figures == "11.4 of 82.0 MiB (14 %), 1.2 MiB/s, 59 s left"
    assert Progress(**far, rate=250_000).figures.endswith("244 KiB/s, 5 min left")
    assert Progress(what="Packages", done=3, total=7).figures == "3 of 7 (43 %)"
