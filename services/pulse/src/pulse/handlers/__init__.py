"""Events turned into facts of the domain."""
