"""Data sets that go by a name: `manifest` says what they are, `hub` reads them through the library datasets (extra `data`).

Nothing else in the package imports datasets; what is measured on them is left to `evaluation`.
"""
