"""How good an index is, measured on labelled pictures: what is asked, what is right, what is counted, and how it is shown.

    what is asked    `labelled` sets of pictures (`label_tables`, `label_folders`), `labels` looked up,
                     `answers` given before and their `truth`; the `candidates` that a picture may be called
    what is right    `verdicts`, and how far off the wrong ones are: `severity`; `marking` marks each picture
    what is counted  `measures`, with `curves` (`attempts`), `reliability`, `sisters`; intervals by `resample`; a `score` a part
    how it is shown  `report`
    the tasks        `zero_shot`, `run`, `few_shot` and `probe` (`picture_vectors`), `prototype_ladder`, `text_types`,
                     `detection`, `rules_compared` (`rules_tried`), `unseen`

Nothing that identifies pictures stands on these rooms; fitting on labelled pictures is left to `calibration`.
"""
