"""The whole of jupyter_kernel_test, through a session."""

import jupyter_kernel_test
import pytest

pytestmark = pytest.mark.slow


class TestConformance(jupyter_kernel_test.KernelTests):
    kernel_name = "golem"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = ({"text": "zi", "matches": {"zip"}},)
    complete_code_samples = ("1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n")
    incomplete_code_samples = ("print('''hello", "def f(x):\n  x*2")
    invalid_code_samples = ("import = 7q",)
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_execute_result = (
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    )
    code_display_data = (
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"},
        {"code": "from IPython.display import Math, display; display(Math('\\frac{1}{2}'))", "mime": "text/latex"},
    )
    code_history_pattern = "1?2*"
    supported_history_operations = ("tail", "search")
    code_history = ("1+2", "1+3")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    @pytest.fixture(autouse=True)
    def _through_a_session(self, connected):
        type(self).km, type(self).kc = connected.manager, connected.client


@pytest.mark.usefixtures("jupyter")
class TestWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "golem"
    support_iopub_welcome = True
