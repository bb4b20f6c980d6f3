"""How a trained detector should look at pictures: picture size, test-time augmentation, suppression of overlaps, confidence.

halves    two halves of the pictures: one to choose on, one to measure what was gained
choosing  the tries, one after the other, and the rules by which one is kept
keeping   what was found goes into the card of the detector
"""
