"""The protocol, pure: bytes and `now` in, bytes and events out."""
