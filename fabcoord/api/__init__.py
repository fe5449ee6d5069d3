"""The REST API: one module per resource, on top of the domain's functions."""
