"""fabcoord: the coordinator that fablabs run themselves."""

__version__ = "0.1.0"
