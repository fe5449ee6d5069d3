"""Ways to reach a printer: one protocol, one module per way, no server imports."""
