"""Turns the topics into windowed figures for each program: how long a match takes, whether people meet and answer.

Holds nothing durable: it reads every topic from its start whenever it starts, and nobody decides by what it says.
"""
