"""`_`: every text of the app in the language of its words; English where no translation is there.

Names of taxa are left to the index (`chosen.language`); this is about the app's own words. Translations lie in
`locale/LANGUAGE/LC_MESSAGES/app.mo` beside this file; `BIOCLIP_SEARCH_APP_WORDS` says which one a server speaks.
"""

from __future__ import annotations

import gettext
import os
from pathlib import Path

WORDS_VARIABLE = "BIOCLIP_SEARCH_APP_WORDS"
"""Environment variable with the language of the app's own words, as "de" or "pt_BR"."""

_spoken = gettext.translation("app", Path(__file__).with_name("locale"), [os.environ.get(WORDS_VARIABLE) or "en"], fallback=True)
_ = _spoken.gettext
several = _spoken.ngettext
"""`several("{count} picture", "{count} pictures", count).format(count=count)`"""

LANGUAGES = {
    **{"af": "Afrikaans", "ar": "العربية", "bg": "Български", "ca": "Català", "cs": "Čeština", "da": "Dansk", "de": "Deutsch", "el": "Ελληνικά"},
    **{"en": "English", "en_uk": "English (UK)", "es": "Español", "et": "Eesti", "eu": "Euskara", "fa": "فارسی", "fi": "Suomi", "fr": "Français"},
    **{"gl": "Galego", "he": "עברית", "hi": "हिन्दी", "hr": "Hrvatski", "hu": "Magyar", "id": "Bahasa Indonesia", "is": "Íslenska", "it": "Italiano"},
    **{"ja": "日本語", "ko": "한국어", "lt": "Lietuvių", "lv": "Latviešu", "ml": "മലയാളം", "nb": "Norsk bokmål", "nl": "Nederlands", "no": "Norsk"},
    **{"pl": "Polski", "pt": "Português", "pt_br": "Português (Brasil)", "pt_pt": "Português (Portugal)", "ro": "Română", "ru": "Русский"},
    **{"sk": "Slovenčina", "sl": "Slovenščina", "sr": "Српски", "sv": "Svenska", "sw": "Kiswahili", "th": "ไทย", "tr": "Türkçe"},
    **{"uk": "Українська", "vi": "Tiếng Việt", "zh": "中文", "zh_hans": "简体中文", "zh_hant": "繁體中文"},
}
"""What a language calls itself, by its code in lower letters."""


def language_name(code: str) -> str:
    """What a language calls itself, else its code.

    >>> [language_name(code) for code in ("ja", "pt-BR", "nah")]
    ['日本語', 'Português (Brasil)', 'nah']
    """
    return LANGUAGES.get(code.lower().replace("-", "_"), code)
