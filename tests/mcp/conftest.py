"""The local network of the tests of sessions, for an assistant's."""

from tests.session.conftest import network

__all__ = ["network"]
