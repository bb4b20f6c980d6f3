"""Runs the benchmarks that are named, or all: `python -m tests.benchmarks [app] [build] [bursts] [detector] [million] [identify] [import] [names] [place] [review] [search] [spark] [starter] [study] [tag] [their options]`."""

from __future__ import annotations

import sys
from itertools import takewhile

from tests.benchmarks import (
    bench_app,
    bench_build,
    bench_bursts,
    bench_detector,
    bench_identify,
    bench_import,
    bench_million,
    bench_names,
    bench_place,
    bench_review,
    bench_search,
    bench_spark,
    bench_starter,
    bench_study,
    bench_tag,
)

BENCHMARKS = {
    "app": bench_app.main,
    "build": bench_build.main,
    "bursts": bench_bursts.main,
    "detector": bench_detector.main,
    "million": bench_million.main,
    "identify": bench_identify.main,
    "import": bench_import.main,
    "names": bench_names.main,
    "place": bench_place.main,
    "review": bench_review.main,
    "search": bench_search.main,
    "spark": bench_spark.main,
    "starter": bench_starter.main,
    "study": bench_study.main,
    "tag": bench_tag.main,
}


def main(arguments: list[str]) -> None:
    named = list(takewhile(BENCHMARKS.__contains__, arguments))  # Subtle: a later one may be the value of an option
    options = arguments[len(named) :]
    if options and not named and not options[0].startswith("-"):
        raise SystemExit(f"There is no benchmark {options[0]!r}. There are: {', '.join(BENCHMARKS)}.")
    for name in named or BENCHMARKS:
        BENCHMARKS[name](options)


if __name__ == "__main__":
    main(sys.argv[1:])
