"""Background work: the engine, the run ledger with leases, sandboxed subprocesses."""
