"""The commands of a notebook, a file for each group of them; :mod:`table` has them all."""
