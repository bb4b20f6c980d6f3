"""Names that mean something to Markdown or HTML stand in a page as names."""

from __future__ import annotations

import pytest

from bioclip_search.markdown import code, fenced, plain, table


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Felis catus", "Felis catus"),
        ("", ""),
        ("IMG_0001.jpg", r"IMG\_0001.jpg"),
        ("a|b", r"a\|b"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("&lt;", "&amp;lt;"),
        ("![x](http://a)", r"!\[x\](http://a)"),
        ("`rm`", r"\`rm\`"),
        ("back\\slash", r"back\\slash"),
        ("two\n\n# lines\r\tand\u2028more", "two # lines and more"),
        ("# heading", r"\# heading"),
        ("- item", r"\- item"),
        ("12. item", r"12\. item"),
        ("2024 was", "2024 was"),
        ("> said", "&gt; said"),
        ("re\u202edrow\x1b[31m\x00", r"redrow\[31m"),
        ("پلنگ\u200cها", "پلنگ\u200cها"),
        ("Čáp černý", "Čáp černý"),
    ],
)
def test_a_name_stays_a_name_on_one_line(name, told):
    assert plain(name) == told


def test_code_holds_whatever_it_holds():
    assert code("my-model") == "`my-model`"
    assert code("a`b``c") == "``` a`b``c ```"
    assert code("two\nlines") == "`two lines`"


def test_a_fence_is_longer_than_any_in_it():
    assert fenced(["a", "b"]) == ["```", "a", "b", "```"]
    assert fenced(["a\n````"]) == ["`````", "a", "````", "`````"]
    assert fenced([]) == ["```", "```"]


def test_a_table_has_a_line_for_each_row():
    assert list(table(["a", "b"], [["1", "2"]])) == ["| a | b |", "| --- | --- |", "| 1 | 2 |"]
