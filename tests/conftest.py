"""Settings of every test: one torch thread (pytest-xdist fills the cores) and reproducible hypothesis runs."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("repeatable")
