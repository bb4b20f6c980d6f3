from __future__ import annotations

import io
import json
import os
import sys

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from bioclip_search.errors import TableError
from bioclip_search.evaluation.labelled import find_sets, read_set, sets_of_training
from bioclip_search.train.config import EncoderConfig, PictureSetConfig
from tests.conftest import picture_of


def png(leaf: int) -> bytes:
    picture_of(leaf).save(buffer := io.BytesIO(), "PNG")
    return buffer.getvalue()


def write_parquet(path, leaves, **columns):
    """Pictures of the leaves, all of them lions unless a column says otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = {"image": [{"bytes": png(leaf), "path": None} for leaf in leaves], "species": ["Panthera leo"] * len(leaves)}
    parquet.write_table(pa.table(rows | columns), path, row_group_size=100)
    return path


def test_parquet_files_of_one_folder_are_one_set_whatever_way_they_are_named(tmp_path):
    one = write_parquet(tmp_path / "cats/a.parquet", [1, 2], split=["train", "val"], source_id=["x.jpg", "y.jpg"])
    write_parquet(tmp_path / "cats/b.parquet", [3])
    for places in ([tmp_path / "cats"], [f"{tmp_path}/cats/*.parquet"], [one, tmp_path / "cats/b.parquet"], [tmp_path / "cats", one]):
        (cats,) = find_sets(places)
        assert (cats.name, len(cats), cats.parts.tolist()) == ("cats", 3, ["train", "val", "all"])
        assert cats.names == ("cats/x.jpg", "cats/y.jpg", "cats/row 3")
        assert cats.taxa["genus"].to_pylist() == ["Panthera"] * 3
        assert list(cats.pictures(np.array([False, True, True]))) == [png(2), png(3)]


def test_pictures_of_many_batches_and_row_groups_come_in_order(tmp_path):
    write_parquet(tmp_path / "many/a.parquet", [number % 250 for number in range(230)])
    (many,) = find_sets([tmp_path / "many"])
    wanted = np.arange(230) % 3 == 0
    assert list(many.pictures(wanted)) == [png(number % 250) for number in range(0, 230, 3)]


def test_a_csv_names_its_pictures_relative_to_itself(tmp_path):
    (tmp_path / "list.csv").write_text("path,Genus,epithet,vernacularName\nsub/a.png,Panthera,leo,Lion\n,Felis,catus,Cat\n", encoding="utf-8")
    (listed,) = find_sets([tmp_path / "list.csv"])
    assert listed.name == "list"
    assert listed.taxa["species"].to_pylist() == ["Panthera leo", "Felis catus"]
    assert listed.taxa["common_name"].to_pylist() == ["Lion", "Cat"]
    assert list(listed.pictures(np.array([True, True]))) == [tmp_path / "sub/a.png", tmp_path]


def test_a_cell_may_hold_a_path_or_nothing(tmp_path):
    image = pa.array([{"bytes": None, "path": "a.png"}, None], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    path = write_parquet(tmp_path / "set/a.parquet", [0, 0], image=image)
    (found,) = find_sets([path])
    assert list(found.pictures(np.array([True, True]))) == [tmp_path / "set/a.png", b""]


def test_two_folders_of_one_name_stay_apart(tmp_path):
    for home in "ab":
        write_parquet(tmp_path / home / "cats/x.parquet", [0])
    assert [found.name for found in find_sets([tmp_path / "a/cats", tmp_path / "b/cats"])] == [str(tmp_path / home / "cats") for home in "ab"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "cannot be read as Parquet", id="empty"),
        pytest.param(b"PAR1 is no more", "cannot be read as Parquet", id="damaged"),
        pytest.param(None, "no such file", id="missing"),
    ],
)
def test_a_file_that_cannot_be_read_says_so(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(TableError, match=message):
        find_sets([tmp_path / "x.parquet"])


def test_what_is_missing_is_told(tmp_path):
    parquet.write_table(pa.table({"species": ["Panthera leo"]}), tmp_path / "x.parquet")
    with pytest.raises(TableError, match="has no column image or path that says where each picture is; it has species"):
        find_sets([tmp_path / "x.parquet"])
    (tmp_path / "x.csv").write_text("species\nPanthera leo\n")
    with pytest.raises(TableError, match="has no column image or path"):
        find_sets([tmp_path / "x.csv"])
    write_parquet(tmp_path / "y.parquet", [0], species=[None]).rename(tmp_path / "z.parquet")
    parquet.write_table(parquet.read_table(tmp_path / "z.parquet").drop_columns(["species"]), tmp_path / "z.parquet")
    with pytest.raises(TableError, match="none of the columns kingdom"):
        find_sets([tmp_path / "z.parquet"])
    with pytest.raises(TableError, match="there are no Parquet files"):
        find_sets([f"{tmp_path}/nothing-*.parquet"])
    with pytest.raises(TableError, match="photo.jpg: no such file or folder, and no data set of this name"):
        find_sets([tmp_path / "photo.jpg"])
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(TableError, match="neither Parquet nor CSV"):
        find_sets([tmp_path / "photo.jpg"])
    with pytest.raises(TableError, match="has no files"):
        read_set("empty", [])


def test_the_parts_of_a_training_run_are_those_that_it_kept_apart(tmp_path):
    species = [f"Panthera {name}" for name in ("leo", "uncia", "onca", "tigris", "pardus") for _ in range(4)]
    ranks = dict.fromkeys(("kingdom", "phylum", "class", "order", "family", "genus", "common_name"), pa.nulls(20, pa.string()))
    columns = {"source_id": [f"{row}.jpg" for row in range(20)], "split": ["val", "train", "train", "train"] * 5}
    write_parquet(tmp_path / "cats/a.parquet", range(20), species=species, **ranks, **columns)
    config = EncoderConfig(sets=(PictureSetConfig("cats", "cats/*.parquet", hold_species=0.4, hold_pictures=0.2),), data_root=str(tmp_path))
    (cats,) = sets_of_training(config)
    by_species = {name: {part for of_row, part in zip(species, cats.parts, strict=True) if of_row == name} for name in species}
    assert sorted(map(sorted, by_species.values())).count(["unseen"]) in {1, 2, 3, 4}  # every picture of a species, or none
    assert all(parts == {"unseen"} or "unseen" not in parts for parts in by_species.values())
    assert all(part != "train" for part, split in zip(cats.parts, columns["split"], strict=True) if split == "val")
    assert list(cats.pictures(np.arange(20) == 7)) == [png(7)]
    assert cats.taxa["genus"].to_pylist() == ["Panthera"] * 20


def write_tree(root, *places):
    """A picture of leaf 0, 1, 2 … at each place."""
    for leaf, place in enumerate(places):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(png(leaf))
    return root


def test_the_sub_folders_of_a_folder_name_the_taxa_of_the_pictures_in_them(tmp_path):
    root = write_tree(tmp_path / "cats", "Puma concolor/b.png", "Puma concolor/a.PNG", "Felidae/x.jpg", "Animalia/Panthera_leo/y.jpg")
    (found,) = find_sets([root])
    assert found.name == "cats"
    assert list(zip(found.names, found.written.to_pylist(), strict=True)) == [
        ("cats/Animalia/Panthera_leo/y.jpg", "Animalia > Panthera leo"),
        ("cats/Felidae/x.jpg", "Felidae"),
        ("cats/Puma concolor/a.PNG", "Puma concolor"),
        ("cats/Puma concolor/b.png", "Puma concolor"),
    ]
    assert set(found.parts) == {"all"}
    assert list(found.pictures(np.array([False, True, False, True]))) == [root / "Felidae/x.jpg", root / "Puma concolor/b.png"]


def test_a_folder_may_be_told_from_where_the_command_runs(tmp_path, monkeypatch):
    write_tree(tmp_path / "cats", "Felis catus/a.png")
    monkeypatch.chdir(tmp_path)
    (found,) = find_sets(["cats"])
    assert [path.read_bytes() for path in found.pictures(np.array([True]))] == [png(0)]


def test_the_state_of_a_set_changes_with_its_table_and_with_its_pictures(tmp_path):
    root = write_tree(tmp_path, "cats/Felis catus/a.png")
    (tmp_path / "list.csv").write_text("path,species\ncats/Felis catus/a.png,Felis catus\ngone.png,Felis catus\n")
    write_parquet(tmp_path / "table/a.parquet", [0])
    places = [root / "cats", root / "list.csv", root / "table"]
    before = [found.state() for found in find_sets(places)]
    assert before == [found.state() for found in find_sets(places)]
    (root / "cats/Felis catus/a.png").write_bytes(png(1) + b"more")
    write_parquet(tmp_path / "table/a.parquet", [0, 1])
    assert all(old != new.state() for old, new in zip(before, find_sets(places), strict=True))


def test_folders_called_after_parts_are_parts_if_all_of_them_are(tmp_path):
    (found,) = find_sets([write_tree(tmp_path / "split", "Train/Felis catus/a.jpg", "val/Felis catus/b.jpg")])
    assert list(zip(found.parts, found.written.to_pylist(), strict=True)) == [("train", "Felis catus"), ("val", "Felis catus")]
    (found,) = find_sets([write_tree(tmp_path / "genus", "train/a.jpg", "Felis/b.jpg")])
    assert set(found.parts) == {"all"}


def test_a_folder_named_as_inaturalists_competitions_do_tells_the_seven_ranks(tmp_path):
    (found,) = find_sets([write_tree(tmp_path / "inat", "02912_Animalia_Chordata_Aves_Passeriformes_Corvidae_Pica_hudsonia/a.jpg", "001.Lynx_rufus/b.jpg")])
    assert found.taxa["species"].to_pylist() == [None, "Pica hudsonia"]
    assert found.taxa["family"].to_pylist() == [None, "Corvidae"]
    assert found.written.to_pylist() == ["Lynx rufus", None]


def test_what_a_folder_of_taxa_holds_besides_pictures_is_passed_over_and_told(tmp_path):
    root = write_tree(tmp_path / "cats", "Felis catus/a.jpg", "stray.jpg", ".hidden/b.jpg", "Felis catus/.c.jpg")
    (root / "Lynx/Lynx rufus").mkdir(parents=True)
    (root / "Felis catus/notes.txt").write_text("none")
    (root / "Felis catus/loop").symlink_to(root)
    (found,) = find_sets([root])
    assert found.names == ("cats/Felis catus/a.jpg", "cats/stray.jpg")
    assert found.written.to_pylist() == ["Felis catus", None]
    assert found.notes == (
        "cats: 1 folder holds no picture: Lynx/Lynx rufus",
        "cats: 1 link to a folder is not followed: Felis catus/loop",
        "cats: 1 picture lies in no folder of a taxon: stray.jpg",
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_path_that_is_no_text_is_passed_over_and_told(tmp_path):
    write_tree(tmp_path / "cats", "Felis catus/a.png")
    (tmp_path / os.fsdecode(b"cats/Felis catus/\xff.png")).write_bytes(png(1))
    (found,) = find_sets([tmp_path / "cats"])
    assert found.names == ("cats/Felis catus/a.png",)
    assert found.notes == ("cats: 1 picture is passed over, for the path is not UTF-8: '\\udcff.png'",)


def test_an_empty_folder_says_what_was_expected(tmp_path):
    (tmp_path / "Puma concolor").mkdir()
    with pytest.raises(TableError, match="no Parquet files and no pictures.*a sub-folder for each taxon"):
        find_sets([tmp_path])


def test_a_row_with_a_box_is_cut_out_as_identify_cuts_it(tmp_path):
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[10:20, 20:40] = 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    boxes = ["20 10 40 20", "[20, 10, 40, 20]", "", "40 10 20 20", "nan 0 1 1"]
    rows = "".join(f'a.png,"{box}",Felis catus\n' for box in boxes)
    (tmp_path / "boxes.csv").write_text("path,box_xyxy,species\n" + rows + 'gone.png,"0 0 5 5",Felis catus\n')
    (found,) = find_sets([tmp_path / "boxes.csv"])
    assert found.picture_of_row.tolist() == [0, 0, 0, 0, 0, 1]
    cuts = list(found.pictures(np.ones(6, bool)))
    assert [cut.size for cut in cuts[:2]] == [(22, 12), (22, 12)]  # a twentieth of the longer side, 1 px, all around
    assert np.asarray(cuts[0])[1:-1, 1:-1].min() == 255
    assert cuts[2:5] == [tmp_path / "a.png"] * 3  # no box, upside down, no numbers: the whole picture
    assert cuts[5] == tmp_path / "gone.png"  # opening it will tell what is wrong


def test_paths_that_windows_wrote_are_found_elsewhere_too(tmp_path):
    write_tree(tmp_path, "site 1/a.png", r"b\c.png")
    (tmp_path / "list.csv").write_text("path,species\nsite 1\\a.png,Felis catus\nb\\c.png,Felis catus\nno\\d.png,Felis catus\n")
    (found,) = find_sets([tmp_path / "list.csv"])
    assert list(found.pictures(np.ones(3, bool))) == [tmp_path / "site 1/a.png", tmp_path / r"b\c.png", tmp_path / "no/d.png"]


def test_json_lines_are_a_table_too(tmp_path):
    lines = [{"image": "a.png", "box_xyxy": [0, 0, 4, 4], "taxon": "Felidae"}, {"image": "b.png", "family": "Felidae", "more": {"deep": 1}}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n", encoding="utf-8")
    (found,) = find_sets([tmp_path / "a.jsonl"])
    assert found.written.to_pylist() == ["Felidae", None]
    assert found.picture_of_row is None
    assert found.taxa["family"].to_pylist() == [None, "Felidae"]
    for content, message in (
        ("", "is empty"),
        ("[1]", "line 1: expected a JSON object"),
        ("{", "line 1: is no JSON"),
        (r'{"image": "\ud800"}', "line 1: is no JSON .*surrogates"),
    ):
        (tmp_path / "b.jsonl").write_text(content)
        with pytest.raises(TableError, match=message):
            find_sets([tmp_path / "b.jsonl"])


def test_answers_are_not_taken_for_truths(tmp_path):
    (tmp_path / "run.jsonl").write_text(json.dumps({"image": "a.png", "taxon": "Felidae", "probability": 1, "rule": "2", "encoder": "x"}))
    with pytest.raises(TableError, match="holds the answers of `identify`, which are no truths.*--truth"):
        find_sets([tmp_path / "run.jsonl"])


def test_numbered_classes_of_a_hugging_face_data_set_have_names(tmp_path):
    features = {"info": {"features": {"label": {"names": ["Felis catus", "Lynx"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": [{"bytes": png(1), "path": None}] * 3, "label": [1, 0, 7]}).replace_schema_metadata({"huggingface": json.dumps(features)})
    parquet.write_table(table, tmp_path / "a.parquet")
    (found,) = find_sets([tmp_path / "a.parquet"])
    assert found.written.to_pylist() == ["Lynx", "Felis catus", None]
    assert list(found.pictures(np.array([True, False, False]))) == [png(1)]


@pytest.mark.parametrize(
    ("row", "species", "written"),
    [
        pytest.param({"species": "Felis catus", "scientific_name": "Felis domesticus"}, "Felis catus", None, id="the species column goes first"),
        pytest.param({"scientific_name": "Felis domesticus Erxleben"}, "Felis domesticus", "Felis domesticus Erxleben", id="a scientific name"),
        pytest.param({"taxon": "Mountain lion"}, None, "Mountain lion", id="a bare name is not taken for a binomial"),
        pytest.param({"family": "Felidae", "label": "Felis catus"}, None, "Felis catus", id="a name below a rank"),
        pytest.param({"family": "Felidae", "common_name": "Cats"}, None, None, id="a vernacular name beside a rank is only that"),
        pytest.param({"common_name": "Lion"}, None, "Lion", id="a vernacular name alone"),
        pytest.param({"scientific_name": "Felis sp."}, None, "Felis sp.", id="a species left open"),
    ],
)
def test_where_a_row_names_its_taxon(tmp_path, row, species, written):
    (tmp_path / "a.csv").write_text(",".join(["path", *row]) + "\n" + ",".join(["a.png", *row.values()]) + "\n")
    (found,) = find_sets([tmp_path / "a.csv"])
    assert found.taxa["species"].to_pylist() == [species]
    assert found.written.to_pylist() == [written]
