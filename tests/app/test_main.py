from __future__ import annotations

import shutil

from bioclip_search import places


def test_without_any_index_the_page_says_how_to_get_one(app, monkeypatch):
    monkeypatch.setattr(places, "shipped", lambda name: None)  # an installation that brings no starter index
    app.run()
    assert "bioclip-search index build" in app.error[0].value
    assert not app.exception


def test_a_damaged_index_is_told_and_another_can_be_chosen(app, tiny_home, tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    for name in ("starter", "torn"):
        shutil.copytree(tiny_home / "data" / "index" / "starter", places.user_indexes() / name)
    (places.user_indexes() / "torn" / "taxa.parquet").write_bytes(b"")
    app.run()
    app.selectbox(key="index").set_value("torn").run()
    assert "Get the index again or rebuild it" in app.error[0].value
    app.selectbox(key="index").set_value("starter").run()
    assert not app.error
