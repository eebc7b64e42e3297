"""The top of the page: the network and the node on it, the wallet, what went wrong."""
