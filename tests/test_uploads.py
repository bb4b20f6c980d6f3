from __future__ import annotations

import pytest

from bioclip_search import places, uploads
from bioclip_search.errors import SourceError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(places.HOME_VARIABLE, str(tmp_path / "home"))


def kept(token: str) -> list[str]:
    return sorted(path.name for path in (uploads.place_of(token) / uploads.PICTURES_FOLDER).iterdir())


def test_files_are_kept_under_safe_names_in_a_folder_of_their_own(tmp_path):
    names = ["IMG 1.JPG", "../../up.png", "C:\\photos\\con.jpg", "a.jpg", "a.jpg", "letter.txt", "<b>.png"]
    token, refused = uploads.keep([(name, b"x") for name in names])
    assert kept(token) == ["IMG 1.JPG", "_b_.png", "a [again].jpg", "a.jpg", "con_.jpg", "up.png"]
    assert list(refused) == ["letter.txt"]
    assert [path.name for path in places.user_uploads().iterdir()] == [token]


def test_two_visitors_share_no_folder_and_a_guessed_token_finds_none():
    one, _ = uploads.keep([("a.jpg", b"1")])
    other, _ = uploads.keep([("a.jpg", b"2")])
    assert one != other
    for wrong in ("", "..", one[:-1], one + "/pictures", f"../uploads/{one}", "0" * 32):
        with pytest.raises(SourceError, match="not here any more"):
            uploads.place_of(wrong)


def test_too_many_and_none_at_all_are_refused_and_nothing_stays(monkeypatch):
    with pytest.raises(SourceError, match="None of these files"):
        uploads.keep([("a.exe", b"x")])
    with pytest.raises(SourceError, match="At most 2,000 files"):
        uploads.keep((f"{number}.jpg", b"x") for number in range(2001))
    assert list(places.user_uploads().iterdir()) == []


def test_what_is_forgotten_is_gone():
    token, _ = uploads.keep([("a.jpg", b"1")])
    uploads.forget(token)
    uploads.forget("../..")
    assert list(places.user_uploads().iterdir()) == []
