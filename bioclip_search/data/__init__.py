"""Data sets and models that go by a name: `manifest` says what they are, `entries` lists them, `pull` fetches them.

    manifest ── entries                                       what is known of each, and whether it is here
    pull ─┬─ camera_traps, categories, crowd, subset          COCO Camera Traps and the pictures it tells of
          ├─ repository, streamed                             the hub: files as they are, and rows that are asked for
          └─ unpacking, space                                 archives and disks
    pulled                                                    where a set that came is found by its name
    hub                                                       sets of the hub that are streamed, through the library datasets (extra `data`)

Nothing else in the package imports datasets; what is measured on them is left to `evaluation`.
"""
