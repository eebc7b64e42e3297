"""A notebook for many sets of parameters, begun from the page."""
