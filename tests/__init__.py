"""The launcher's tests. Here is what must hold before the first of their modules is imported."""

import os
import sys

# What Python compiles is kept, whatever the environment wants: the suite starts some thousand Pythons, and each would
# compile all that it imports of the launcher; and each job would rewrite the asserts of its tests, and of hypothesis.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
