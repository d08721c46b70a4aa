"""The B2BUA: two doors, one corridor."""
