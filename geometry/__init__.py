"""Norms, bodies and the functionals on them. NumPy only: this package never imports torch."""
