"""The link: an HTTP proxy between browsers and the servers of a session."""
