"""Training of the adapter (section 3.2 of the paper) on clips, each with all of its responses."""
