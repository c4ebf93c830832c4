"""The demo: real input sent over HTTP, four weeks of business time, and the invariants checked at the end."""
