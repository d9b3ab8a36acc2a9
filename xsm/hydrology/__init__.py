"""The laws on data sets: water balance, soil, groundwater."""
