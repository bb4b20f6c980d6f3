"""A run over a collection and the folder it is kept in.

Read in this order: `record` (what is told of a picture), `table` (the same as rows of Parquet), `folder` (where they lie),
`journal` (what is done, and not lost), `tagging` (how they come about), `retagging` (and again without the pictures).
"""
