"""The broker, asked for the ends of its topics."""
