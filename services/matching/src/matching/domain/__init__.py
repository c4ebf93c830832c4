"""Who may be matched, how well they fit, and what follows from each thing that happens: values and pure functions."""
