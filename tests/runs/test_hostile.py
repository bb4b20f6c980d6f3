from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq

from bioclip_search.runs.tagging import tag_source
from bioclip_search.sources import open_source
from tests.decoding.hostile import make_hostile
from tests.runs.conftest import write_picture

LIMIT_S = 1.5


def test_every_hostile_file_is_one_row_with_its_reason_and_the_rest_is_answered(tmp_path, equipment):
    folder = tmp_path / "photos"
    folder.mkdir()
    expected = make_hostile(folder)
    sound = [write_picture(folder / f"sound{number}.png", number, shade=number).name for number in range(9)]
    run = tag_source(open_source(folder), tmp_path / "run", replace(equipment, limits={"timeout_s": LIMIT_S}), place="photos")
    rows = pq.read_table(run.folder / "rows").to_pylist()
    errors = {row["image"]: row["error"] for row in rows if row["status"] == "failed"}
    passed_over = " ".join(run.note["notes"])
    for name, words in expected.items():
        assert words in errors.get(name, "") or name in passed_over, f"{name}: expected {words!r}, got {errors.get(name)!r}"
    assert {row["image"] for row in rows if row["taxon"]} == set(sound)
    assert len(rows) == len({row["image"] for row in rows})
