"""Lets programs for yapapi's first versions run with today's: import it first, or use ``localnet run``.

Such programs have an ``Executor`` of their own or an ``Engine``, put their steps into the ``WorkContext``, ``commit()``
them, and import ``yapapi.runner`` and ``yapapi.package``. Nothing of yapapi is changed: what it has no more is added
under its old name, and the name ``yapapi`` leads to the same module, but for ``Executor``. Programs of today have no
use for that name and go on as they are. Where the installed yapapi is itself one of the first, nothing is done.

It imports nothing but yapapi, as it runs on the Python of whichever program is started.
"""

from __future__ import annotations

from .names import install

install()
