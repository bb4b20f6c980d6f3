"""Trains encoders from pictures whose taxa are known; nothing else in the package imports it.

Read in this order: `config`, `taxa`, `pictures`, `tokenizer`, `texts`, `names`, `augment`, `distil`, `teachers`, `batches`,
`losses`, `anchors`, `objective`, `start`, `scratch`, `lora`, `tuning`, `vectors`, `hearsay`, `features`, `world`, `step`, `schedule`,
`state`, `zero_shot`, `validate`, `journal`, `curves`, `finish`, `model_folder`, `encoder`; for detectors the files `detector_*`.
"""
