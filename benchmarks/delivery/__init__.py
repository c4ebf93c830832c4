"""How fast the delivery path is: ours, stock Faust, and the limit of the parts, side by side in one run."""
