"""Commands for the wallet and for what sessions cost."""
