"""The ports of the handlers, over PostgreSQL."""
