"""What runs beside the printers: pairing, sync, journal, runners. No server imports."""
