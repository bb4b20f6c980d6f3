"""Safe names: what every system takes, and nothing that leads out of the folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioclip_search.standards.file_names import MAX_NAME_LENGTH, free_path, safe_name, safe_parts


@pytest.mark.parametrize(
    ("text", "expected", "case"),
    [
        ("Panthera uncia", "Panthera uncia", "a species"),
        ("Equus × mulus", "Equus × mulus", "a hybrid"),
        ("Snøugle", "Snøugle", "letters beyond ASCII"),
        ('a<b>c:d"e/f\\g|h?i*j', "a_b_c_d_e_f_g_h_i_j", "what Windows forbids"),
        ("tab\there\x00", "tab_here_", "control characters"),
        ("name. . ", "name", "Windows drops dots and blanks at the end"),
        ("..", "_", "the folder above"),
        ("", "_", "nothing"),
        ("NUL", "NUL_", "a device"),
        ("com1.JPG", "com1_.JPG", "a device with an ending is one too"),
        ("common.jpg", "common.jpg", "begins like a device"),
        ("bad\udcff.jpg", "bad_.jpg", "bytes that are no text"),
        ("e\u0301", "é", "composed"),
    ],
)
def test_names(text, expected, case):
    assert safe_name(text) == expected, case


def test_a_long_name_keeps_its_ending():
    name = safe_name("x" * 300 + ".JPG")
    assert len(name) == MAX_NAME_LENGTH
    assert name.endswith("x.JPG")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("a/b/c.jpg", ["a", "b", "c.jpg"]),
        ("../../etc/passwd", ["etc", "passwd"]),
        ("/data/x.jpg", ["data", "x.jpg"]),
        ("C:\\photos\\x.jpg", ["C_", "photos", "x.jpg"]),
        ("a//./b.jpg", ["a", "b.jpg"]),
        ("..", ["_"]),
        ("https://host/x.jpg", ["https_", "host", "x.jpg"]),
    ],
)
def test_names_of_pictures_stay_below_the_folder(image, expected):
    assert safe_parts(image) == expected


@given(st.text(max_size=200))
def test_no_text_makes_a_name_that_leads_elsewhere_or_that_a_system_refuses(text):
    for part in safe_parts(text):
        assert part not in ("", ".", "..")
        assert not set(part) & set('<>:"/\\|?*\0')
        assert part == part.rstrip(". ")
        assert len(part) <= MAX_NAME_LENGTH + 1
        part.encode("utf-8")


def test_a_name_that_is_taken_gets_a_mark_and_then_a_number(tmp_path):
    made = []
    for _ in range(4):
        path = free_path(tmp_path / "x.jpg", "c0ffee")
        path.touch()
        made.append(path.name)
    assert made == ["x.jpg", "x [c0ffee].jpg", "x [c0ffee 2].jpg", "x [c0ffee 3].jpg"]
