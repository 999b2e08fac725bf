"""Independent checks of what the other packages claim."""
