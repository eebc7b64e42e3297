"""The images kept on this computer: files by hash, stored once, and the names they are asked for by."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from golem_launcher import clock, files, paths
from golem_launcher.errors import ImageError, RequestError
from golem_launcher.image import gvmi, lock
from golem_launcher.image.progress import BuildStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_LOCK_FILE: Final = ".lock"
_DOWNLOADS: Final = ".packages"
_SCRATCH: Final = ".making-"
_SUFFIX: Final = ".gvmi"
_BUSY_SECONDS: Final = 3600.0
_LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class OwnImage:
    """One image on this computer."""

    name: str
    hash: str
    """SHA3-224 of the file."""
    size: int
    """Bytes."""
    made: datetime
    variant: str
    """What it was made as; empty when it came as a file."""
    recipe: str
    """The digest of the lock that it was made from."""
    path: Path
    """The file."""

    @property
    def current(self) -> bool:
        """Whether making it again would make the same."""
        return not self.variant or (self.variant in lock.variants() and self.recipe == lock.read(self.variant).digest)

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        return {**asdict(self), "path": str(self.path), "made": self.made.isoformat(), "current": self.current}


class ImageStore:
    """Images by name. Every method blocks; what processes do at once does no harm."""

    def __init__(self, directory: Path | None = None) -> None:
        """In the launcher's own directory, unless another is named."""
        self._directory = directory or paths.shared_home() / "images"

    def images(self) -> list[OwnImage]:
        """All of them, by name."""
        found = (self.get(path.stem) for path in sorted(self._directory.glob("*.json")))
        return [image for image in found if image is not None]

    def get(self, name: str) -> OwnImage | None:
        """The image of that name, when it is there whole."""
        if not NAME.fullmatch(name):
            return None
        value: Any = files.read_json(self._directory / f"{name}.json")
        try:
            path = self._directory / f"{value['hash']}{_SUFFIX}"
            image = OwnImage(
                name, str(value["hash"]), int(value["size"]), datetime.fromisoformat(value["made"]),
                str(value["variant"]), str(value["recipe"]), path,
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            return None
        return image if path.is_file() and path.stat().st_size == image.size else None

    def find(self, name: str) -> OwnImage:
        """The same, or an error that says what there is. Raises ``RequestError``."""
        image = self.get(name)
        if image is not None:
            return image
        there = ", ".join(image.name for image in self.images())
        how = f"build {name}" if name in lock.variants() else f"add FILE --name {name}"
        raise RequestError(
            f"There is no image '{name}' on this computer.",
            f"There is: {there}." if there else f"There is none yet: golem-launcher image {how}",
            field="image",
        )

    def make(self, variant: str, name: str = "", *, told: Callable[[BuildStep], None], again: bool = False) -> OwnImage:
        """The image of a variant, made unless it is there as its lock describes it (``again``: all the same).

        Whoever comes while it is being made waits for it. ``told`` is told of each step; what it raises, and
        ``KeyboardInterrupt``, ends the making with nothing left of it. Raises ``RequestError`` for a variant that is
        none, and ``ImageError``.
        """
        from golem_launcher.image import build  # noqa: PLC0415 - a session that finds its image loads none of it

        wanted, name = lock.read(variant), self._name(name or variant)
        with self._alone(told):
            image = self.get(name)
            if image is not None and image.recipe == wanted.digest and not again:
                return image
            downloads = paths.private_directory(self._directory / _DOWNLOADS)
            with self._on_disk() as scratch:
                made = scratch / "image"
                build.build(wanted, made, downloads, told=told)
                image = self._keep(made, name, variant=variant, recipe=wanted.digest)
            keep = {package.sha256[:16] for package in wanted.debian}
            for path in downloads.iterdir():  # of older recipes
                if path.name.partition("-")[0] not in keep:
                    path.unlink(missing_ok=True)
            return image

    def add(self, path: Path, name: str) -> OwnImage:
        """Keep a copy of an image that was made elsewhere. Raises ``RequestError``, ``ImageError`` when it is none."""
        gvmi.settings(path)
        name = self._name(name)
        with self._alone(lambda _: None), self._on_disk() as scratch:
            copy = scratch / "image"
            shutil.copyfile(path, copy)
            return self._keep(copy, name, variant="", recipe="")

    def remove(self, name: str) -> OwnImage:
        """Remove an image; a session that serves it goes on. Raises ``RequestError`` when there is none."""
        image = self.find(name)
        with self._alone(lambda _: None):
            (self._directory / f"{name}.json").unlink(missing_ok=True)
            self._sweep()
        return image

    def clean(self) -> int:
        """Remove the packages that were kept for the next making; the bytes that were freed."""
        with self._alone(lambda _: None):
            found = [path for path in (self._directory / _DOWNLOADS).glob("*") if path.is_file()]
            freed = sum(path.stat().st_size for path in found)
            for path in found:
                path.unlink(missing_ok=True)
            return freed

    def _name(self, name: str) -> str:
        if not NAME.fullmatch(name):
            raise RequestError(
                f"'{name}' can't be an image's name here.",
                "Use small letters, digits and dashes, at most 40.",
                field="name",
            )
        return name

    def _keep(self, made: Path, name: str, *, variant: str, recipe: str) -> OwnImage:
        digest, size = gvmi.image_hash(made), made.stat().st_size
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(self._directory / f"{digest}{_SUFFIX}")
        entry = {"hash": digest, "size": size, "made": clock.now().isoformat(), "variant": variant, "recipe": recipe}
        files.write_json(self._directory / f"{name}.json", entry)
        self._sweep()
        image = self.get(name)
        if image is None:
            raise ImageError(f"The image '{name}' was removed while it was made.", "Try again.")
        return image

    @contextlib.contextmanager
    def _on_disk(self) -> Iterator[Path]:
        """A directory for what is on the way, gone afterwards. What the disk refuses becomes an ``ImageError``."""
        try:
            with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=self._directory) as scratch:
                yield Path(scratch)
        except BrokenPipeError:  # whoever is told has gone
            raise
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                what = f"There is no room left in {self._directory} for the image."
                raise ImageError(what, f"Make room, or set {paths.HOME_VARIABLE} to a directory elsewhere.") from error
            what = (
                f"{self._directory} does not take the image: {error.strerror or error} ({error.filename or 'a file'})."
            )
            raise ImageError(what, "Was it removed meanwhile, or is it somebody else's? Try again.") from error

    @contextlib.contextmanager
    def _alone(self, told: Callable[[BuildStep], None]) -> Iterator[None]:
        """While nobody else changes anything here. What somebody who was killed left is removed."""
        paths.private_directory(self._directory)
        path, waited = self._directory / _LOCK_FILE, 0.0
        with contextlib.ExitStack() as stack:
            while True:
                try:
                    stack.enter_context(files.locked(path, deadline=_LOOK_SECONDS))
                    break
                except TimeoutError:
                    waited += _LOOK_SECONDS
                    told(BuildStep("Waiting for another program that makes an image"))
                    if waited > _BUSY_SECONDS:
                        raise ImageError("Another program has been making an image for an hour.", "End it.") from None
            for left in self._directory.glob(f"{_SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    def _sweep(self) -> None:
        """Remove the files that no name leads to."""
        wanted = {image.path for image in self.images()}
        for path in self._directory.glob(f"*{_SUFFIX}"):
            if path not in wanted:
                path.unlink(missing_ok=True)
