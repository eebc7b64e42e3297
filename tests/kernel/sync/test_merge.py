"""What is done with a folder that has changed on two sides: nothing new is lost, and both become equal."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.kernel.sync.merge import SyncStep, Version, merge, second_name

_PATHS = ("a", "b.txt", "d/x", "d/y/z", "d")
_VERSIONS = st.dictionaries(st.sampled_from(_PATHS), st.builds(Version, st.sampled_from("uvw"), st.integers(0, 3)))


@pytest.mark.parametrize(
    ("common", "here", "there", "steps"),
    [
        ("", "u", "", [SyncStep.SEND]),
        ("", "", "u", [SyncStep.FETCH]),
        ("", "u", "u", []),
        ("", "u", "v", [SyncStep.KEEP_BOTH]),
        ("u", "v", "u", [SyncStep.SEND]),
        ("u", "u", "v", [SyncStep.FETCH]),
        ("u", "v", "w", [SyncStep.KEEP_BOTH]),
        ("u", "", "u", [SyncStep.TRASH_THERE]),
        ("u", "u", "", [SyncStep.TRASH_HERE]),
        ("u", "", "v", [SyncStep.FETCH]),
        ("u", "v", "", [SyncStep.SEND]),
        ("u", "", "", []),
    ],
)
def test_what_one_file_needs(common, here, there, steps):
    sides = ({"a": Version(content)} if content else {} for content in (common, here, there))
    assert [step for step, _ in merge(*sides).steps] == steps


def test_an_older_file_from_there_takes_the_place_of_none():
    now = {"a": Version("new", 0)}
    assert merge({"a": Version("new", 20)}, now, {"a": Version("old", 10)}).steps == ((SyncStep.KEEP_BOTH, "a"),)


def test_a_file_makes_way_for_a_folder():
    before = {"d": Version("u")}
    found = merge(before, {"d/x": Version("v")}, before)
    assert found.steps == ((SyncStep.TRASH_THERE, "d"), (SyncStep.SEND, "d/x"))
    found = merge({}, {"d/x": Version("v"), "e": Version("v")}, before)
    assert found.steps == ((SyncStep.SEND, "e"),)
    assert found.in_the_way == {"d", "d/x"}


@pytest.mark.parametrize("path", ["a", "a.txt", "d.e/a.tar.gz", ".a", "x" * 255 + ".csv", "é" * 120, "a." + "x" * 200])
def test_a_second_name_is_beside_and_new(path):
    taken = {path}
    for _ in range(3):
        name = second_name(path, taken)
        assert name not in taken
        assert name.rpartition("/")[0] == path.rpartition("/")[0]
        assert len(name.rpartition("/")[2].encode()) <= 255
        taken.add(name)


@dataclass
class _Model:
    """Two sides, what they had equal last, and all that is in the trash."""

    common: dict = field(default_factory=dict)
    here: dict = field(default_factory=dict)
    there: dict = field(default_factory=dict)
    trash: set = field(default_factory=set)

    def round(self, steps=None):
        """Do what is to be done, or the first ``steps`` of it, as when the line breaks."""
        found = merge(self.common, self.here, self.there)
        for step, path in found.steps[:steps]:
            if step is SyncStep.SEND:
                self.there[path] = replace(self.here[path], time_ns=100)
            elif step is SyncStep.FETCH:
                self.here[path] = self.there[path]
            elif step is SyncStep.KEEP_BOTH:
                name = second_name(path, {*self.here, *self.there})
                self.here[name] = self.there[name] = self.there[path]
                self.there[path] = replace(self.here[path], time_ns=100)
            elif step is SyncStep.TRASH_HERE:
                self.trash.add(self.here.pop(path).content)
            else:
                self.trash.add(self.there.pop(path).content)
        stuck = merge(self.common, self.here, self.there).in_the_way
        kept = {path: one for path, one in self.common.items() if path in self.here or path in self.there}
        self.common = kept | {path: one for path, one in self.there.items() if _same(self, path)}
        return stuck

    @property
    def contents(self):
        return {one.content for side in (self.here, self.there) for one in side.values()}

    @property
    def news(self):
        """What a side has and both had not: the only place where it is."""
        sides = (self.here, self.there)
        return {
            one.content
            for side in sides
            for path, one in side.items()
            if path not in self.common or one.content != self.common[path].content
        }


def _same(model, path):
    return path in model.here and path in model.there and model.here[path].content == model.there[path].content


def _as_seen(side):
    return {path: one.content for path, one in side.items()}


@given(_VERSIONS, _VERSIONS, _VERSIONS)
def test_both_sides_become_equal_and_nothing_is_lost(common, here, there):
    model = _Model(dict(common), dict(here), dict(there))
    before = model.news
    stuck = model.round() | model.round()
    assert before <= model.contents | model.trash
    for path in {*model.here, *model.there} - stuck:
        assert _same(model, path), path
    assert merge(model.common, model.here, model.there).steps == ()


@given(_VERSIONS, _VERSIONS, _VERSIONS)
def test_what_is_trashed_was_equal_before_and_unchanged(common, here, there):
    for step, path in merge(common, here, there).steps:
        if step is SyncStep.TRASH_HERE:
            assert (path in there, here[path].content) == (False, common[path].content)
        if step is SyncStep.TRASH_THERE:
            assert (path in here, there[path].content) == (False, common[path].content)


@given(st.data())
def test_edits_on_both_sides_with_broken_rounds_lose_nothing(data):
    """Each content that anybody wrote is on a side or in the trash until its writer replaces or removes it."""
    model = _Model()
    for number in range(data.draw(st.integers(1, 8))):
        side = data.draw(st.sampled_from([model.here, model.there]))
        path = data.draw(st.sampled_from(_PATHS[:3]))
        if data.draw(st.booleans()) or path not in side:
            side[path] = Version(f"edit {number}", number)
        else:
            del side[path]
        before = model.news
        model.round(data.draw(st.one_of(st.none(), st.integers(0, 2))))
        assert before <= model.contents | model.trash
    model.round()
    model.round()
    assert _as_seen(model.here) == _as_seen(model.there)
