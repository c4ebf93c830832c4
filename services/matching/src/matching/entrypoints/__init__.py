"""Where work comes in: the topic and HTTP."""
