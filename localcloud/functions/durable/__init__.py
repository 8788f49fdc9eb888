"""The durable engine: orchestrations with their histories in SQLite, episodes, timers, and the client's HTTP API."""
