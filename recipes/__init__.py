"""The paper, stage by stage: corpora -> synthesis -> training -> evaluation -> report."""
