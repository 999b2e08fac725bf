"""Numerics that take functions and laws, and know no noise."""
