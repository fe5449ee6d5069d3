"""Jobs and attempts: state machines, matching, dispatch with leases, plates, agents."""
