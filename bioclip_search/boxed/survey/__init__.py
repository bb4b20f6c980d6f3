"""What pictures with boxes are like, before a model learns from them: figures, drawings, and what looks wrong.

figures   how large, how many, where, of what shape, by category and deployment
suspects  boxes and pictures that a person should look at
charts    the figures as drawings
writing   all of it in a folder: report.md, metrics.json, suspects.csv, drawings and contact sheets
"""
