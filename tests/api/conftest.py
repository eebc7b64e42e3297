"""The local network of the tests of sessions, for those from Python."""

from tests.session.conftest import network

__all__ = ["network"]
