"""Builds session images on this computer: Debian's and PyPI's packages, as a file that a provider boots.

Nothing of it needs root, Docker, or programs beyond Python; it works on any system. :mod:`~golem_launcher.image.build`
is the way of it, top to bottom; :mod:`~golem_launcher.image.store` keeps what was made.
"""
