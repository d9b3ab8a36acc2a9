"""Models that predict each cell from its own past: from data set to labelled prediction."""
