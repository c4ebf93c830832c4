"""Loads the fixtures that give tests real servers."""

pytest_plugins = ["tests.support.plugin"]
