"""Measurements of this system beside its peers and its limits."""
