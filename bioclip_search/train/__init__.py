"""Trains encoders from pictures whose taxa are known; nothing else in the package imports it.

Read in this order: `config`, `pictures`, `tokenizer`, `texts`, `augment`, `batches`, `anchors`, `model_folder`, `zero_shot`,
`validate`, `encoder`.
"""
