"""Settings of every test: one torch thread (pytest-xdist fills the cores) and reproducible hypothesis runs."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# A shell's background job ignores Ctrl-C, and so do its children: tests that press it would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")
