"""Adapts an encoder to a region: labelled pictures in, a model folder, its index and a report of what was gained and lost out.

`training` holds the order of events, `gathering` which picture is taught, chosen by or asked, `staging` where they lie meanwhile,
`settings` what is learned how, `gain` what came of it, `report` the words. Learning itself is left to `train.encoder`.
"""
