"""People: roles, passwords, sessions, tokens; who may do what."""
