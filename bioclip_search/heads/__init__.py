"""What labelled pictures teach beside the names: a head over frozen vectors, and how far it is believed beside the text.

`head` is what was taught, `fitting` teaches it; `blending` weighs it against the text; `storing` keeps both in the folder of an index.
"""
