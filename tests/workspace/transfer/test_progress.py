"""How far something is that is brought to a session or from it, as it is told."""

from golem_launcher.events import Progress
from golem_launcher.workspace.transfer import progress
from golem_launcher.workspace.transfer.progress import Bringing, PipSteps

SAID = """\
Collecting pandas
  Downloading pandas-3.1.1-cp311-cp311-manylinux.whl.metadata (19 kB)
Requirement already satisfied: six in /usr/lib/python3/dist-packages (1.16.0)
Downloading pandas-3.1.1-cp311-cp311-manylinux.whl (12.1 MB)
Using cached numpy-2.4.6-cp311-cp311-manylinux.whl (16.8 MB)
Downloading https://files.example/own_thing-1.0.tar.gz (3 kB)
Building wheel for own-thing (pyproject.toml): started
Installing collected packages: numpy, own-thing, pandas
Successfully installed numpy-2.4.6 own-thing-1.0 pandas-3.1.1"""


def test_what_pip_says_is_told_in_steps():
    steps = PipSteps()
    assert [steps.detail for line in SAID.splitlines() if steps.read(line.strip())] == [
        "fetching pandas, 1 package so far",
        "fetching numpy, 2 packages so far",
        "fetching own_thing, 3 packages so far",
        "building own-thing",
        "unpacking 3 packages",
    ]


def test_a_stranger_who_says_much_is_not_heard_for_ever(monkeypatch):
    monkeypatch.setattr(progress, "_MOST_STEPS", 10)
    steps = PipSteps()
    read = [steps.read(f"Downloading {'x' * 1000}-{number}.whl") for number in range(100)]
    assert read.count(True) == 10
    assert len(steps.detail) < 80


def test_what_takes_a_moment_is_not_told_and_what_takes_longer_has_an_end(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    told = []
    bringing = Bringing(lambda *each: told.append(each), "Saving", 100)
    bringing.brought(10)
    bringing.over()
    assert told == []
    bringing = Bringing(lambda *each: told.append(each), "Saving", 100)
    now[0] = 2.0
    bringing.brought(60)
    bringing.brought(60)  # it grew meanwhile
    bringing.over()
    assert told == [("Saving", done, 100, "bytes") for done in (60, 100, 100)]


def test_what_has_no_known_total_is_not_over_and_says_what_it_is_at():
    steps = Progress(what="Installing packages", done=3, total=0, unit="packages", detail="unpacking 3 packages")
    assert (steps.over, steps.words) == (False, "Installing packages: unpacking 3 packages")
    assert Progress(what="Making the image", done=0, total=0).words == "Making the image …"
    assert Progress(what="Saving", done=4, total=4).over
