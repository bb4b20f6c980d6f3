from __future__ import annotations

import shutil

from bioclip_search import places


def test_the_address_keeps_the_index_and_the_language_by_their_codes(app, tiny_home, monkeypatch, tmp_path):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path))
    for name in ("starter", "other"):
        shutil.copytree(tiny_home / "data" / "index" / "starter", places.user_indexes() / name)
    app.query_params["index"] = "other"
    app.run()
    assert app.selectbox(key="index").value == "other"
    app.selectbox(key="index").set_value("starter").run()
    assert "index" not in app.query_params
    app.selectbox(key="index").set_value("other").run()
    assert app.query_params["index"] == "other"


def test_an_index_that_is_not_there_is_not_taken_from_the_address(app, tiny_home, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tiny_home))
    app.query_params["index"] = "../../etc"
    app.run()
    assert app.selectbox(key="index").value == "starter"
    assert not app.error
