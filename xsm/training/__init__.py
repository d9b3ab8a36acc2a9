"""The one loop and what it needs; knows samples, not what they are of."""
