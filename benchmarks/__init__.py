"""What is timed, against what it is held, and the record of it (RESULTS.md)."""
