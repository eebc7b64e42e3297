"""Whose fault it is that a package did not start: an image's, which ends the session, or a provider's."""

import pytest

from golem_launcher.errors import ProviderError, RequestError
from golem_launcher.session import warm
from golem_launcher.session.hire import starting
from golem_launcher.session.hire.package import Package

LACKS = f"{starting.SHELL_RUNS}\n{starting.OF_IMAGE}There is no Python (python3) in it.\n"


@pytest.mark.parametrize("said", [LACKS, ""])
@pytest.mark.parametrize(("known", "fault"), [(False, RequestError), (True, ProviderError)])
def test_nobody_is_believed_that_an_image_that_was_made_here_lacks_something(said, known, fault):
    warm.engine()  # yapapi as a supervisor loads it: any other way, it warns
    from yapapi.rest.activity import CommandExecutionError  # noqa: PLC0415

    from golem_launcher.session.hire.service import _failure  # noqa: PLC0415

    argv = starting.python("agent")
    package = Package((), "/golem/work", "/golem/run", 2.0, argv, (), image_is_known=known)
    error = CommandExecutionError("Run {}", "ExeScript command exited with code 9", said)
    assert isinstance(_failure(error, package), fault)
