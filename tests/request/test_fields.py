import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golem_launcher.errors import RequestError
from golem_launcher.request import LaunchRequest, parse_request
from golem_launcher.request.fields import numbers, option


def key(kind="ssh-ed25519"):
    return f"{kind} {base64.b64encode(struct.pack('>I', len(kind)) + kind.encode() + bytes(36)).decode()} me@home"


def test_a_file_of_requirements_becomes_its_packages():
    request = parse_request({"packages": ["numpy\n# a comment\n\npandas>=2  # why\n", "numpy"]})
    assert request.packages == ("numpy", "pandas>=2")


@pytest.mark.parametrize(
    "line",
    ["numpy @ file:///croot/work", "-r other.txt", "--index-url https://evil", "-e .", "not a package!", "x" * 600],
)
def test_what_is_no_package_is_refused_at_its_field(line):
    with pytest.raises(RequestError) as caught:
        parse_request({"packages": [line]})
    assert caught.value.field == "packages"


def test_the_line_of_many_that_is_no_package_is_named():
    with pytest.raises(RequestError, match=r"line 3: '-e \."):
        parse_request({"packages": ["numpy\nscipy\n-e ."]})


def test_a_public_key_is_taken_without_what_does_not_belong():
    assert parse_request({"ssh_key": f"  {key()}\n"}).ssh_key == key()


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nSECRET\n-----END OPENSSH PRIVATE KEY-----",
        f'command="rm -rf /" {key()}',
        f"{key()}\n{key()}",
        f"{key()}\rfoo",
        "ssh-ed25519 !!!!",
        "ssh-rsa " + key().split()[1],
        "",
    ],
)
def test_no_other_thing_passes_as_a_key_and_none_is_repeated(text):
    with pytest.raises(RequestError) as caught:
        parse_request({"ssh_key": text})
    assert caught.value.field == "ssh_key"
    assert "SECRET" not in str(caught.value)


@given(st.text())
def test_whatever_is_taken_as_a_key_is_one_line_of_three_parts(text):
    try:
        taken = parse_request({"ssh_key": text}).ssh_key
    except RequestError:
        return
    assert taken is None or len(taken.splitlines()) == 1


def test_a_request_survives_its_json():
    request = parse_request({"packages": ["numpy"], "resume": "old@3", "gpus": 1, "price_per_hour": "0.5"})
    assert LaunchRequest.model_validate_json(request.model_dump_json()) == request
    assert request.workspace == "old"


def test_a_limit_is_told_as_the_form_has_it():
    with pytest.raises(RequestError, match=r"must be at most 4,096\.$"):
        parse_request({"memory_gib": 100_000})
    with pytest.raises(RequestError, match=r"must be at least 0\.1\.$"):
        parse_request({"memory_gib": 0.01})


def test_listed_addresses_must_be_listed():
    with pytest.raises(RequestError, match="at least one address"):
        parse_request({"outbound": "listed"})


@pytest.mark.parametrize(
    "fields",
    [{"workers": 2, "machines": 2}, {"max_workers": 2, "machines": 2}, {"workers": 1, "workload": "other"},
     {"workers": -1}, {"workers": 16}, {"max_workers": 16}],
)  # fmt: skip
def test_a_cluster_is_of_one_head_and_its_notebooks(fields):
    with pytest.raises(RequestError):
        parse_request(fields)


@pytest.mark.parametrize("fields", [{"save": False}, {"recover": False}])
def test_a_standby_is_for_a_machine_of_which_there_is_something_to_go_on_with(fields):
    assert parse_request({"standby": 1, "machines": 2}).standby == 1
    assert parse_request({"standby": 1, "workers": 2}).machines_paid == 4
    with pytest.raises(RequestError, match="a standby"):
        parse_request({**fields, "standby": 1})


def test_a_cluster_counts_as_the_machines_that_it_begins_with():
    assert (LaunchRequest().machines_wanted, LaunchRequest().most_machines, LaunchRequest().has_cluster) == (
        1,
        1,
        False,
    )
    request = LaunchRequest(workers=4, max_workers=8)
    assert (request.machines_wanted, request.most_machines, request.has_cluster) == (5, 16, True)
    assert LaunchRequest(max_workers=8).machines_wanted == 1


def test_a_standby_is_paid_as_a_machine_and_found_beside_the_first():
    request = LaunchRequest(standby=1)
    assert (request.machines_wanted, request.machines_paid, request.slots, request.most_machines) == (1, 2, 1, 2)


def test_the_fields_that_take_a_number_are_known_by_their_types():
    assert {"hours", "budget", "cpus", "memory_gib", "gpus", "price_per_hour"} <= numbers()
    assert not {"name", "packages", "save", "resume", "outbound"} & numbers()


def test_an_option_says_what_differs_from_the_default():
    for name, field in LaunchRequest.model_fields.items():
        if field.annotation is bool:
            assert option(name).startswith("--no-") is field.default, name
    assert option("kernel_state") == "--no-state"
    with pytest.raises(RequestError, match="kernel_state"):
        parse_request({"state": False})
