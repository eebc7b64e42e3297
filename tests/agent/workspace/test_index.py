from golem_launcher.agent.workspace.index import Index


def test_virtual_environments_are_left_out_and_named(tmp_path):
    (tmp_path / "p" / "venv").mkdir(parents=True)
    (tmp_path / "p" / "venv" / "pyvenv.cfg").write_text("home = /usr")
    index = Index(str(tmp_path))
    assert [line[1] for line in index.walk(0)] == ["p"]
    assert index.environments == ["p/venv"]
