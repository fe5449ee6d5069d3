"""`python -m fabcoord`."""

from fabcoord.cli import main

main(prog_name="fabcoord")
