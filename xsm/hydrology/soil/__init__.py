"""The soil itself: its hydraulic parameters, its layers, and how its water moves."""
