"""The page's header: network, node, wallet, problems."""
