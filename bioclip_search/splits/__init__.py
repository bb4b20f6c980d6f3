"""Splits of pictures into parts and folds in which what belongs together stays together: bursts, crops of one picture, copies.

Pure numpy over numbers. Where bursts come from is left to `evaluation.burst_names`, what a part is used for to those who train and measure.
"""
