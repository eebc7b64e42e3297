"""A generation written out for people: as a directory, or as a zip file."""
