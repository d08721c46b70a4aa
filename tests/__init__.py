"""Tests of byoc-proxy: they mirror the package; `support/` is the kit, `wire/` holds the real sockets."""
