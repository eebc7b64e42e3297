"""The session of the tests of ways in, for the commands that need one which runs."""

from tests.access.conftest import far_session, ssh_key

__all__ = ["far_session", "ssh_key"]
