"""The steps that a schema takes from version to version."""
