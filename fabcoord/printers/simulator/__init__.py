"""A Marlin 2 printer on a pty, good enough to run a lab without hardware; standard library only."""
