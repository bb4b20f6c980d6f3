"""The parts behind `detect`: `boxes` is pure geometry, `known` finds the file, `yolo` runs it with ultralytics."""
