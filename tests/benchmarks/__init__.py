"""Speed against pybioclip, measured side by side in one run: `python -m tests.benchmarks [million|identify]`.

Plain scripts that print tables of ratios; pytest runs none of them.
"""
