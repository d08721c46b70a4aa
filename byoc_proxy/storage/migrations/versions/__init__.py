"""One file for each step, named after what it brings; each names the step before it."""
