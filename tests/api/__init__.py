"""The REST API, request by request, on SQLite and on PostgreSQL."""
