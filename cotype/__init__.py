"""Cotype-2 constants of norms, and the ceiling that they put on what smoothing can do."""
