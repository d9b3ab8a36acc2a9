"""The door: one verb, one file. What a user calls; the accessor says, these do."""
