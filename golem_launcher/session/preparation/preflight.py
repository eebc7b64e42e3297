"""What can be refused of a request before anything is started: what it names on this computer, and its store.

Whoever starts a session asks this first, so that a typing error is told at once and leaves no session behind. The
supervisor finds out the rest, and the same once more: things may have changed by then.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from golem_launcher.errors import RequestError, WorkspaceError

if TYPE_CHECKING:
    from golem_launcher.request import LaunchRequest
    from golem_launcher.workspace.repository.store import Store


def check(request: LaunchRequest) -> None:
    """Look for what a request names. Blocking: a store may be far away.

    Raises ``LauncherError``, a ``RequestError`` with the field at fault where it is one's.
    """
    _check_image(request)
    if request.outbound_permit:
        from golem_launcher import permits  # noqa: PLC0415 - cryptography takes a tenth of a second

        permits.read(map(Path, request.outbound_permit))
    if request.resume or (request.save and request.store is not None):
        from golem_launcher.workspace.repository.store import open_store  # noqa: PLC0415 - what begins anew needs none yet

        store = open_store(request.store, encrypt=request.encrypt)
        if request.resume:
            resumed(store, request.resume)
        if request.save:
            store.establish()


def _check_image(request: LaunchRequest) -> None:
    """One that is named as this computer's must be there, whoever names it. Raises ``RequestError``."""
    from golem_launcher.image.store import NAME  # noqa: PLC0415 - not needed to show the page
    from golem_launcher.image.store import ImageStore as Images  # noqa: PLC0415
    from golem_launcher.session.preparation.image_and_packages import IMAGE_VARIABLE, image_and_packages  # noqa: PLC0415

    image = image_and_packages(request).image
    if not NAME.fullmatch(image):
        return
    try:
        Images().find(image)
    except RequestError as error:
        if request.image is not None:
            raise
        raise RequestError(f"{IMAGE_VARIABLE}: {error.what}", error.remedy) from error


def resumed(store: Store, resume: str) -> int:
    """Find the generation to resume from, and check that its whole list of files can be read before money is spent.

    ``resume``: a workspace, or ``workspace@generation``. Blocking. Raises ``RequestError``.
    """
    workspace, _, number = resume.partition("@")
    found = store.generations(workspace)
    if not found and workspace not in store.unreadable():
        raise RequestError(
            f"Resume: there is no saved workspace '{workspace}'.", "See `golem-launcher workspaces`.", field="resume"
        )
    try:
        manifest = store.manifest(workspace, int(number) if number else None)
    except WorkspaceError as error:
        raise RequestError(f"Resume: {error.what}", error.remedy, field="resume") from error
    lost = store.lost(manifest.entries)
    if lost and len(lost) == manifest.files:
        raise RequestError(
            f"Resume: no file of save {manifest.generation} of '{workspace}' can be read.",
            f"golem-launcher verify {workspace}",
            field="resume",
        )
    return manifest.generation
