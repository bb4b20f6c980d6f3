"""Tags a collection on a master, and prints how far it is: `python -m tests.spark.driver SOURCE OUT MASTER [NAME=VALUE …]`."""

from __future__ import annotations

import sys

from bioclip_search.spark.tagging import tag_on_spark

if __name__ == "__main__":
    source, out, master, *pairs = sys.argv[1:]
    conf = dict(pair.split("=", 1) for pair in pairs)
    options = {name.removeprefix("tag."): conf.pop(name) for name in list(conf) if name.startswith("tag.")}
    options = {name: True if value == "true" else value for name, value in options.items()}
    run = tag_on_spark(source, out, master=master, conf=conf, progress=lambda done, total: print(done, total, flush=True), **options)
    print("finished", run.note["counts"]["pictures"], flush=True)
