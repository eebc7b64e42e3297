"""Requirements files as pip takes them; what makes no sense at a provider is left out with its line."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.request import parse_request
from golem_launcher.request.requirements_file import parse, read
from tests.patience import slower

FILE = """\
# made by pip-compile
numpy==2.1 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
pandas>=2 ; python_version > "3.8"  # tables

-e .
-e git+https://github.com/me/x.git@abc#egg=x
--index-url https://example.org/simple
six @ file:///croot/six_1605205313296/work
./local.whl
foo-1.0-py3-none-any.whl
https://example.org/seaborn-0.13-py3-none-any.whl
git+https://github.com/me/nameless
-r other.txt
uvicorn[standard]
${MINE}
"""


def test_what_pip_takes_is_taken_and_the_rest_is_named_by_its_line():
    found = parse(FILE)
    assert found.packages == (
        "numpy==2.1",
        'pandas>=2; python_version > "3.8"',
        "x @ git+https://github.com/me/x.git@abc#egg=x",
        "seaborn @ https://example.org/seaborn-0.13-py3-none-any.whl",
        "uvicorn[standard]",
    )
    assert [clause.split(",")[0] for clause in found.left_out] == [
        *(f"line {number}" for number in (7, 9, 10, 11, 12, 14, 15, 17)),
        "the hashes: the versions alone are kept to",
    ]
    assert all(":" in clause for clause in found.left_out)
    assert parse_request({"packages": list(found.packages)}).packages == found.packages


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfnumpy\r\nscipy\r\n",
        "numpy\nscipy".encode("utf-16"),
        b"\xfe\xff" + "numpy\nscipy".encode("utf-16-be"),
        "numpy\nscipy".encode("utf-32"),
        "numpy  # f\xfcr Felder\nscipy".encode("latin-1"),
        "# -*- coding: cp1250 -*-\nnumpy  # \u017c\nscipy".encode("cp1250"),
        b"# coding: no-such-coding\nnumpy\nscipy",
    ],
)
def test_any_encoding_that_pip_takes(data):
    assert read(data).packages == ("numpy", "scipy")


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04\x00\x00", b"-----BEGIN OPENSSH PRIVATE KEY-----\nabc", b"\xff\xfen", bytes(range(32))]
)
def test_what_is_no_text_is_no_list(data):
    with pytest.raises(ValueError, match=r"."):
        read(data)


@given(st.text(alphabet=st.sampled_from("ab1=<>~![]@-#\\ \n\r./:;,'\"${}éx"), max_size=200))
def test_whatever_is_taken_is_taken_by_a_request(text):
    found = parse(text)
    assert parse_request({"packages": list(found.packages)}).packages == found.packages


@pytest.mark.parametrize(
    "data",
    [b"a" + b" " * 200_000 + b"b", b"https://x/" + b"#" * 200_000, b"# coding: punycode\na-" + b"9" * 200_000],
    ids=["spaces", "marks", "punycode"],
)
def test_a_strangers_list_is_read_soon(data):
    began = time.process_time()
    found = read(data)
    assert time.process_time() - began < 2 * slower()
    assert not found.packages
    assert len(found.left_out) == 1
