"""Saving a session's files and bringing them back, all of it kept on the user's side.

``backends``: where a store's objects lie. ``repository``: what a store holds, as chunks in packs, manifests and
generations. ``transfer``: what moves between a store and a running session. ``export``: a generation written out as a
directory or a zip file.
"""
