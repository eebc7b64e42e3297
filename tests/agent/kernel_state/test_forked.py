"""How long a copy of a kernel may take that writes its variables: what waits for its turn does not hang."""

from golem_launcher.agent.kernel_state.forked import patience


def test_the_busier_the_machine_the_longer_a_copy_is_waited_for():
    assert (patience(0.0), patience(0.5), patience(1.0), patience(20.0)) == (30.0, 180.0, 300.0, 300.0)
