"""Who may come in and where a call may go; no I/O."""
