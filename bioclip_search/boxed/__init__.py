"""Pictures with the boxes that people drew on them: read from the formats in use, surveyed, split, and written for a trainer.

What a detector finds in them is left to `evaluation.detection`, learning from them to `train`.
"""
