"""Commands for what runs or is kept on this computer: the node, its own network, images, the page."""
