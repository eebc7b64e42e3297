from golem_launcher.workspace.repository.package_lists import installable


def test_only_plain_requirements_reach_pip():
    good = ("numpy==2.1", "a-b_c.d>=1,<2", "x[extra]==1")
    bad = (
        "-r /etc/passwd", "--index-url http://evil", "-e .", "git+https://evil/x", "x @ https://evil/x.whl",
        "x @ file:///etc", "./x.whl", "/x.whl", "x==1 --hash=sha256:0", "x; python_version>'3'", "", "x\n-e .",
    )  # fmt: skip
    assert installable((*good, *bad)) == (list(good), list(bad))
