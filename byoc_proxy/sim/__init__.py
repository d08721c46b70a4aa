"""Whole calls on virtual time and an in-memory network, for tests and for the simulation."""
