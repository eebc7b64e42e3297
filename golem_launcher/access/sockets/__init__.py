"""What listens on this computer for whoever comes in: ports, socket files, and the streams behind them."""
