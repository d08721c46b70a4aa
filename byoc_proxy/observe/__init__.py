"""How the process tells what it does."""
