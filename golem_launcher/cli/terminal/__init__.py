"""How commands print, wait and end in a terminal; they know no subject."""
