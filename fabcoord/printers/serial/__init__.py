"""Printers on a serial port: G-code is streamed from a file on disk, line by line, checked."""
