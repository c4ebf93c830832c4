"""Where work comes in: topics and HTTP."""
