"""Trains detectors of the YOLO and RT-DETR families through ultralytics: offline, without pickle, and so that a killed run goes on.

Read in this order: `settings`, `pictures`, `start`, `budget`, `learner`, `checkpoint`, `evolve`, `measure`, `train`. The small kind of detector, which needs
no ultralytics, is trained beside this room by `train.detector`.
"""
