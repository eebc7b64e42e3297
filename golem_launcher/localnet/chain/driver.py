"""yagna's payment driver configuration for a private chain, with short waits.

``config-payments.toml`` in a daemon's data directory replaces the driver's built-in one, and with it every public
network: a daemon of a local chain can pay nowhere else, and asks no public server. Sections and keys are those of
yagna 0.17. No contract for many payments at once, deposits, faucet or minting is named: there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golem_launcher import files

if TYPE_CHECKING:
    from pathlib import Path

    from golem_launcher.localnet.chain.token import Chain

NETWORK = "hoodi"
"""The payment network whose name the chain takes: a name that yagna, offers and demands know."""
COIN = "tETH"
TOKEN = "tGLM"  # noqa: S105 - a coin, not a secret

ENVIRONMENT = {
    # How long accepted bills are gathered before they are paid together: a day on real networks.
    "PAYMENT_CYCLE_DEFAULT_INTERVAL": "6s",
    "PAYMENT_CYCLE_DEFAULT_EXTRA_PAY_TIME": "5s",
}

_CONFIG = """\
[engine]
process-interval = 1
process-interval-after-send = 1
process-interval-after-error = 2
process-interval-after-no-gas-or-token-start = 2
process-interval-after-no-gas-or-token-max = 5
process-interval-after-no-gas-or-token-increase = 1.5
report-alive-interval = 60
gather-interval = 1
gather-at-start = true
automatic-recover = false
ignore-deadlines = false

[chain.{network}]
chain-name = "A chain on this machine"
chain-id = {chain_id}
currency-symbol = "{coin}"
priority-fee = 0.000001
max-fee-per-gas = 20.0
transaction-timeout = 100
token = {{ address = "{token}", symbol = "{symbol}" }}
confirmation-blocks = 0
external-source-check-interval = 300

[[chain.{network}.rpc-endpoints]]
names = "local"
endpoints = "{url}"
priority = 0
max-timeout-ms = 5000
verify-interval-secs = 300
# A chain where nobody pays makes no blocks, and is as good as one that does.
allowed-head-behind-secs = 1000000000
"""


def write_config(data_dir: Path, chain: Chain) -> None:
    """Have the daemon of a data directory pay on ``chain``, from its next start on."""
    text = _CONFIG.format(
        network=NETWORK, chain_id=chain.chain_id, coin=COIN, token=chain.token, symbol=TOKEN, url=chain.url
    )
    files.write_atomic(data_dir / "config-payments.toml", text.encode())
