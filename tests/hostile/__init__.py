"""Each verb under changes of its input that must not matter, and under inputs that must be told."""
