"""The configuration file: YAML and environment in, frozen settings and resources out; see `config.load`."""
