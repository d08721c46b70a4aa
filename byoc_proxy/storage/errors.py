"""What keeps a database from being used, for those who only want to say so."""

from __future__ import annotations


class StoreUnavailable(Exception):
    """The database cannot be had now: locked, full, unreachable. Nothing was changed, unless the text says that
    this is not known.
    """


class UnsureCommit(StoreUnavailable):
    """The connection was lost in the middle of a commit: whether the change was kept is not known."""


class UnusableDatabase(Exception):
    """The database can never be used like this: what is wrong, and what to do."""
