"""The provider's end of Golem's VPN, in user space: Ethernet frames in, sockets out."""
