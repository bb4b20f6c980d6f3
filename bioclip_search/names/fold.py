"""Gives the forms of a name in which spellings become equal: folded words, one unbroken key, and its sound.

Knows letters only: which words of a name are genus, epithet or author is left to `parse`.
"""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHES = dict.fromkeys(map(ord, "'`´‘’‛ʻʼʹ′"), "")

_ONE_FOR_ANOTHER = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŋ": "n"})
"""Letters that no decomposition of Unicode takes apart, as gazetteers write them without their marks."""

_MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0670]+")
"""Accents of Latin, Greek and Cyrillic, and the vowel points of Hebrew and Arabic. Not the marks of kana or Thai: they tell words apart."""

_ASCII = {code: " " for code in range(128) if not chr(code).isalnum()} | {39: None, 96: None}

_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
"""Scripts that write words without spaces between (Thai, Lao, Burmese, Khmer, kana, Han), and Korean, which builds long ones."""

HYBRID_WORD = "x"
"""A hybrid's sign as it is typed where × is not at hand."""


def fold(text: str) -> str:
    """The words of a text in small plain letters, parted by single spaces; empty where it has no letter or digit.

    >>> fold("  Ménétries’s  Wárbler "), fold("Œnanthe œnanthe"), fold("Water-dropwort")
    ('menetriess warbler', 'oenanthe oenanthe', 'water dropwort')
    """
    if text.isascii():
        return " ".join(text.lower().translate(_ASCII).split())
    taken_apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = _MARKS.sub("", taken_apart).translate(_APOSTROPHES).translate(_ONE_FOR_ANOTHER)
    plain = unicodedata.normalize("NFC", plain)
    return " ".join("".join(letter if letter.isalnum() or unicodedata.category(letter)[0] == "M" else " " for letter in plain).split())


def fold_scientific(text: str) -> str:
    """As `fold`, without the sign of a hybrid: "Salix × fragilis", "Salix x fragilis" and "Salix fragilis" are one.

    >>> fold_scientific("×Cuprocyparis leylandii"), fold_scientific("Salix X fragilis")
    ('cuprocyparis leylandii', 'salix fragilis')
    """
    folded = fold(text)
    if " x " in folded or folded.startswith("x "):
        return " ".join(word for word in folded.split() if word != HYBRID_WORD)
    return folded


def key(folded: str) -> str:
    """Folded words without their spaces: "novae-angliae" and "novaeangliae" have one key."""
    return folded.replace(" ", "")


def word_endings(folded: str) -> str:
    """The endings of words in scripts that run words together, so that a word within a word can be found.

    >>> word_endings("シマフクロウ")
    'マフクロウ フクロウ クロウ ロウ ウ'
    """
    if folded.isascii() or not _UNSPACED.search(folded):
        return ""
    return " ".join(word[start:] for word in folded.split() if _UNSPACED.match(word) for start in range(1, len(word)))


_INITIAL = re.compile(r"^(?:ae|oe)|^(?:cn|gn|kn|mn|pn)|^ct|^cz|^dj|^eu|^ps|^pt|^ts|^wr|^x")
_INITIAL_SOUND = {
    **dict.fromkeys(("ae", "oe"), "e"),
    **dict.fromkeys(("cn", "gn", "kn", "mn", "pn"), "n"),
    **{"ct": "t", "cz": "c", "dj": "d", "eu": "u", "ps": "s", "pt": "t", "ts": "s", "wr": "r", "x": "s"},
}
_WITHIN = ((re.compile("ae|oe"), "e"), (re.compile("ph"), "f"), (re.compile("sch|sc"), "s"), (re.compile("h"), ""), (re.compile("qu"), "c"))
_LETTERS = str.maketrans("yjkzwv", "iicsuu")
_DOUBLE = re.compile(r"(.)\1+")
_ENDING = re.compile(r"(?:orum|arum|us|um|is|os|on|es|as|a|e|i|o)$|e(?=r$)")


def sound(folded: str) -> str:
    """What a scientific name sounds like, in the manner of Taxamatch (Rees, PLoS ONE 9(9): e107510, 2014).

    ae, oe and e; y, j and i; ph and f; th and t; c, k and qu; z and s; and double and single letters sound alike, and
    so do the endings of an epithet, which follow the gender of its genus or the case of a person's name.

    >>> sound("sylvia atricapilla") == sound("silvia atricapillus"), sound("carex smithii") == sound("carex smithi")
    (True, True)
    """
    genus, *epithets = folded.split() or [""]
    return " ".join([_sound_of_word(genus), *(_ENDING.sub("", _sound_of_word(epithet)) for epithet in epithets)])


def _sound_of_word(word: str) -> str:
    word = _INITIAL.sub(lambda found: _INITIAL_SOUND[found.group()], word)
    for pattern, heard in _WITHIN:
        word = pattern.sub(heard, word)
    return _DOUBLE.sub(r"\1", word.translate(_LETTERS))
