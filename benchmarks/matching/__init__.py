"""The matching engine beside other people's libraries and simple methods, in one run."""
