"""What must hold for any bytes: the targets of `scripts/fuzz`, and the corpus that is replayed on every run."""
