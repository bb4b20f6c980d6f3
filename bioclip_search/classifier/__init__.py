"""Classifiers on frozen features: labelled pictures in, an index out that knows its own taxa better.

The rooms in the order of the work: `examples` says which pictures teach which taxon, `views` and `features` what the encoder sees of
them, `trials` how well each head tells them in folds, `training` puts it together, `study` compares the steps, `report` tells of it.
Heads themselves, and how they join an index, are left to the package `heads`; folds to `splits`.
"""
