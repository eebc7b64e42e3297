"""What a user asks for, defined once: the form, the command line, files and Python all read this definition."""

from __future__ import annotations

from golem_launcher.request.errors import parse_request, request_errors
from golem_launcher.request.launch_request import LaunchRequest

__all__ = ["LaunchRequest", "parse_request", "request_errors"]
