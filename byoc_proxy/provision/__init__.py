"""Resources of the file and of the database as one snapshot, and the door through which rows change."""
