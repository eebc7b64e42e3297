import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.errors import RequestError
from golem_launcher.market.requirement_shorthand import FIELDS, read_words
from golem_launcher.request import parse_request
from golem_launcher.request.fields import NAMES


def test_the_words_of_the_kernel_are_a_request():
    values = read_words("mem>4 disk > 100 cores>=2 strategy=random gpu_model=RTX price<0.5 time=90m")
    request = parse_request(values)
    assert (request.memory_gib, request.disk_gib, request.cpus) == (4, 100, 2)
    assert (request.choose, request.gpu_model, str(request.price_per_hour)) == ("random", "RTX", "0.5")
    assert float(request.hours) == 1.5
    digest = "ab" * 28
    assert parse_request(read_words(["mem>0.5GiB", f"image_hash={digest}"])).image == digest
    assert read_words("") == {}
    assert read_words("strategy=bestprice") == {"choose": "price"}


def test_every_field_can_be_said():
    request = parse_request(
        read_words('gpu>0 gpu_model="RTX 3090" packages="numpy >= 2, pandas" provider=one,other save=no hours=2')
    )
    assert (request.gpus, request.gpu_model, request.packages) == (1, "RTX 3090", ("numpy>=2", "pandas"))
    assert (request.allow, request.save, request.hours) == (("one", "other"), False, 2)
    assert set(NAMES) == set(FIELDS.values())


@pytest.mark.parametrize("word", ["mem=x", "cores>1.5", "mem<4", "price>1", "colour=red", "mem", ">4", "mem>4 mem>5"])
def test_what_is_no_requirement_is_named(word):
    with pytest.raises(RequestError, match=r"is no requirement|said before"):
        read_words(word)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    try:
        values = read_words(text)
    except RequestError:
        return
    assert all(isinstance(value, str | tuple) for value in values.values())


@given(
    mem=st.integers(1, 4000), cores=st.integers(1, 256), disk=st.integers(1, 60_000), sign=st.sampled_from([">", ">="])
)
def test_sizes_come_back(mem, cores, disk, sign):
    request = parse_request(read_words(f"mem{sign}{mem} cores{sign} {cores} disk {sign}{disk}"))
    assert (request.memory_gib, request.cpus, request.disk_gib) == (mem, cores, disk)


@given(st.lists(st.text(string.ascii_lowercase + "<>=0123456789.", max_size=12), max_size=5))
def test_nothing_but_known_fields_comes_out(words):
    try:
        values = read_words(words)
    except RequestError:
        return
    assert set(values) <= set(parse_request({}).model_dump())
