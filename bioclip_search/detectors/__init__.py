"""The parts behind `detect`: `boxes` is pure geometry, `known` finds the file, `pulling` fetches it, `yolo` runs it with ultralytics.

`organism` is our own small detector, `tiles` lets any detector look closer, `given` takes the boxes that somebody found
before, and `repeats` goes over a finished run for boxes where nothing moves. `card` is what a detector folder says of itself,
`architectures` the networks of ultralytics that it may ask for, and `folder` loads it; `exporting` writes it for edge boards,
`exported` is the note beside such a file, and `small_onnx` runs that of the small kind.
"""
