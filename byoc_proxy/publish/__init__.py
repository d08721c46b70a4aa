"""What others are told of an installation: networking info as a table, firewall rules, the zone of its names."""
