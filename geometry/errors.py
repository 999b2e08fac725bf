"""One error for whatever a user can mend: commands print it as one line and exit with 2."""


class InputError(ValueError):
    """The caller's input is at fault; the message says which, what was required, what came, what to do."""
