"""How good an index is, measured on labelled pictures: what is asked, what is right, what is counted, and how it is shown.

Nothing that identifies pictures stands on these rooms; fitting on labelled pictures is left to `calibrate`.
"""
