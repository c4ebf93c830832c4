"""The matching engine: arrays in, decisions and certificates out.

Knows no participant, no policy document and no clock. Mentees and mentors are row numbers; what a pair is worth is a
whole number of points. The same arrays give the same answer bit for bit, whatever the machine, the day or the number of
threads. Refuses to read or write anything.
"""
