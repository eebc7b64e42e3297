"""The session of the tests of ways in, for the commands that need one which runs."""

from tests.access.conftest import remote_session, ssh_key

__all__ = ["remote_session", "ssh_key"]
