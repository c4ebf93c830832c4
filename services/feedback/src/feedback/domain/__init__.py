"""What feedback decides, as values and pure functions. Imports the standard library only; `now` is an argument."""
