"""Sockets, DNS and the one timer."""
