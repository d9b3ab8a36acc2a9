"""Which variable is what, in which units, on which axes; days, months, grids that nest."""
