"""The script language."""
