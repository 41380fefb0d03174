"""Table 3 as an experiment: its rows, the commands that make them, and what comes out."""
