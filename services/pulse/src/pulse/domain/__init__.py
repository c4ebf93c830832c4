"""What the figures are made of: windows, facts, pairs. Standard library and numpy only; the time is an argument."""
