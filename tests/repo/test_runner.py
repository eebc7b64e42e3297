"""What the runner of the whole suite does with a job that did not end well."""

import signal

import pytest

from tests import __main__ as runner
from tests.jobs import Job

_ONE = "<testsuite><testcase classname='tests.a.test_a'><failure/></testcase></testsuite>"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs again a job that ended with a code; gives the files of the second run, which ends with another."""

    def run(code, second=0, report=None):
        began = []

        async def ended(job, _printed):
            began.append(job)
            return second

        monkeypatch.setattr(runner, "_ended", ended)
        monkeypatch.setattr(runner, "_report", lambda job: tmp_path / f"{job.name}.xml")
        if report is not None:
            (tmp_path / "access.xml").write_text(report)
        return runner._again(Job("access", ("tests/a/test_a.py", "tests/a/test_b.py"), 0), code), began

    return run


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-signal.SIGKILL, "access was ended by signal 9"),
        (pytest.ExitCode.INTERRUPTED, "access ended with exit code 2 (interrupted)"),
        (pytest.ExitCode.INTERNAL_ERROR, "access ended with exit code 3 (internal error)"),
        (77, "access ended with exit code 77 (not one of pytest)"),
        (pytest.ExitCode.TESTS_FAILED, "access ended with exit code 1 (tests failed)"),
    ],
)
def test_a_job_that_names_no_test_is_run_once_more_whole_and_said_aloud(run, capsys, code, said):
    left, began = run(code)
    assert left == 0
    assert [(job.name, job.files) for job in began] == [("access-again", ("tests/a/test_a.py", "tests/a/test_b.py"))]
    assert said in capsys.readouterr().out


def test_of_half_a_report_no_test_is_known(run):
    assert [tuple(job.files) for job in run(1, report=_ONE[:40])[1]] == [("tests/a/test_a.py", "tests/a/test_b.py")]


def test_a_job_that_ends_badly_twice_has_failed_and_says_how_each_time(run, capsys):
    assert run(-signal.SIGSEGV, second=-signal.SIGABRT)[0] == -signal.SIGABRT
    out = capsys.readouterr().out
    assert "access was ended by signal 11" in out
    assert "access-again was ended by signal 6" in out


def test_of_a_job_whose_report_names_tests_only_their_files_are_run_again(run):
    left, began = run(pytest.ExitCode.TESTS_FAILED, second=1, report=_ONE)
    assert left == 1
    assert [tuple(job.files) for job in began] == [("tests/a/test_a.py",)]


def test_a_job_that_ended_well_is_not_run_again(run):
    assert run(pytest.ExitCode.OK) == (0, [])
    assert run(pytest.ExitCode.NO_TESTS_COLLECTED) == (0, [])
