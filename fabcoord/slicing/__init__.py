"""Slicing: presets, engines, and the reading and vetting of G-code."""
