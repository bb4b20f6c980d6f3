"""What is wrong with a detector: every find and every true box put into one class of error, and what mending each class would gain.

kinds    the classes, as TIDE has them
gains    what the average precision would gain if the errors of one class were mended
sheets   the worst of each class drawn side by side
writing  all of it in a folder: report.md, errors.csv and the sheets
"""
