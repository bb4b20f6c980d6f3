from __future__ import annotations

import json

import pyarrow as pa
import pytest
from click.testing import CliRunner

from bioclip_search.checklists import Checklist, ImportReport, import_checklist, read_checklist
from bioclip_search.cli.names_import import import_
from bioclip_search.errors import TableError
from tests.checklists.making import backbone_files, checklist_archive, write_zip

TERMS = ("taxonID", "parentNameUsageID", "acceptedNameUsageID", "scientificName", "taxonRank", "taxonomicStatus")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return write_zip(tmp_path_factory.mktemp("dwca") / "backbone.zip", backbone_files())


@pytest.fixture(scope="module")
def backbone(archive):
    return read_checklist(archive)


def assert_same(one, other):
    assert one.taxa.equals(other.taxa)
    assert one.names.equals(other.names)
    assert one.report == other.report


def test_written_and_read_is_the_same(backbone, tmp_path):
    backbone.write(tmp_path / "cats")
    assert_same(Checklist.read(tmp_path / "cats"), backbone)
    assert_same(read_checklist(tmp_path / "cats"), backbone)
    backbone.write(tmp_path / "cats")  # over itself
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cats"]
    assert sorted(path.name for path in (tmp_path / "cats").iterdir()) == ["names.parquet", "report.json", "taxa.parquet"]


def test_imported_straight_into_a_folder_it_is_the_same(archive, backbone, tmp_path):
    report = import_checklist(archive, tmp_path / "deep" / "cats")
    assert report == backbone.report
    assert_same(Checklist.read(tmp_path / "deep" / "cats"), backbone)
    import_checklist(tmp_path / "deep" / "cats", tmp_path / "again")
    assert_same(Checklist.read(tmp_path / "again"), backbone)


def test_nothing_but_a_checklist_is_replaced(archive, backbone, tmp_path):
    folder = backbone.write(tmp_path / "cats")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(TableError, match=r"holds a checklist, but also notes\.txt, which would be lost"):
        import_checklist(archive, folder)
    assert (folder / "notes.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "cats"):
        with pytest.raises(TableError, match="cannot be made or replaced"):
            import_checklist(archive, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cats", "file"]


def test_through_a_link_the_folder_behind_it_is_replaced(archive, backbone, tmp_path):
    folder = backbone.write(tmp_path / "cats")
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    import_checklist(archive, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert_same(Checklist.read(folder), backbone)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cats", "link"]


def test_stopping_by_the_keyboard_is_no_error_of_the_source(archive, tmp_path):
    def as_duckdb_tells_it(done, total):
        raise RuntimeError("Query interrupted")

    with pytest.raises(KeyboardInterrupt):
        import_checklist(archive, tmp_path / "cats", progress=as_duckdb_tells_it)
    assert list(tmp_path.iterdir()) == []


def test_twice_imported_gives_the_same_bytes(archive, tmp_path):
    for name in ("one", "two"):
        import_checklist(archive, tmp_path / name)
    one, two = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one == two


def test_the_tables_have_the_columns_that_others_rely_on(backbone):
    strings = [(name, pa.string()) for name in ("kingdom", "phylum", "class", "order", "family", "genus", "species", "common_name", "taxon_key", "authorship")]
    assert [(field.name, field.type) for field in backbone.taxa.schema][:10] == strings
    assert backbone.taxa.schema.field("countries").type.value_type == pa.string()
    names = [(field.name, str(field.type)) for field in backbone.names.schema]
    assert names == [("row", "int64"), *((name, "string") for name in ("rank", "name", "kind", "language", "authorship", "taxon_key"))]


def test_a_source_without_further_names_gives_an_empty_table_of_them(tmp_path):
    (tmp_path / "list.csv").write_text("species\nBufo bufo\n", encoding="utf-8")
    checklist = read_checklist(tmp_path / "list.csv")
    assert checklist.names.num_rows == 0
    assert checklist.names.column_names == ["row", "rank", "name", "kind", "language", "authorship", "taxon_key"]
    assert checklist.taxa.column_names[-1] == "common_name"  # no keys, no authors, no countries: no columns for them


def test_a_damaged_checklist_is_told(backbone, tmp_path):
    with pytest.raises(TableError, match="holds no checklist"):
        Checklist.read(tmp_path)
    folder = backbone.write(tmp_path / "cats")
    (folder / "report.json").write_text("{}")
    with pytest.raises(TableError, match="its checklist is damaged"):
        Checklist.read(folder)
    backbone.write(folder)
    (folder / "names.parquet").write_bytes(b"PAR1")
    with pytest.raises(TableError, match="its checklist is damaged"):
        read_checklist(folder)


def test_columns_are_for_tables_only(archive):
    with pytest.raises(TableError, match="is a Darwin Core Archive, which says itself what its columns mean"):
        read_checklist(archive, columns={"species": "scientificName"})


def test_progress_runs_to_its_end(archive):
    steps = []
    read_checklist(archive, progress=lambda done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
    assert steps[-1] == (len(steps), len(steps))


def test_a_report_survives_json(backbone):
    assert ImportReport.from_dict(json.loads(json.dumps(backbone.report.to_dict()))) == backbone.report


def test_the_command_prints_the_report_and_what_was_made(archive, tmp_path):
    found = CliRunner().invoke(import_, [str(archive), "--out", str(tmp_path / "cats")], standalone_mode=False)
    assert found.return_value == 0
    assert found.stdout == f"{tmp_path / 'cats'}: 3 taxa, 15 further names\n"
    assert "merged: 1 taxa below species" in found.stderr
    assert Checklist.read(tmp_path / "cats").taxa.num_rows == 3


def test_the_command_ends_with_one_where_the_source_contradicts_itself(tmp_path):
    path = checklist_archive(tmp_path / "a.zip", "1|||Felis catus|species|accepted\n2||2|Felis self|species|synonym", TERMS)
    found = CliRunner().invoke(import_, [str(path), "--out", str(tmp_path / "cats")], standalone_mode=False)
    assert found.return_value == 1
    assert "fault: synonyms in a circle: 2 → 2" in found.stderr
    assert Checklist.read(tmp_path / "cats").taxa.num_rows == 1


def test_the_command_takes_columns(tmp_path):
    (tmp_path / "list.csv").write_text("Nombre\nBufo bufo\n", encoding="utf-8")
    found = CliRunner().invoke(import_, [str(tmp_path / "list.csv"), "--out", str(tmp_path / "out"), "--column", "species=Nombre"], standalone_mode=False)
    assert found.return_value == 0
    found = CliRunner().invoke(import_, [str(tmp_path / "list.csv"), "--out", str(tmp_path / "out"), "--column", "Nombre"])
    assert found.exit_code == 2
    assert "--column takes OURS=THEIRS" in found.stderr
