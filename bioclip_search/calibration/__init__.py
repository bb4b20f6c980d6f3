"""What labelled pictures teach about an index: how sharp its probabilities are, and how bold it may be for a promised accuracy.

Which taxon is chosen is left to `fallback`, what is right to `evaluation.verdicts`.
"""
