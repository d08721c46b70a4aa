"""The customer's HTTP."""
