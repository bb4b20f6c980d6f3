"""Tells whether two codes mean one language: "de", "deu", "ger" and "de_AT" do.

Knows codes only; which names are of which language is left to `store` and `lookup`.
"""

from __future__ import annotations

_THREE_LETTERS = (
    "af:afr am:amh ar:ara az:aze be:bel bg:bul bn:ben br:bre bs:bos ca:cat co:cos cs:ces,cze cy:cym,wel da:dan de:deu,ger el:ell,gre en:eng "
    "eo:epo es:spa et:est eu:eus,baq fa:fas,per fi:fin fj:fij fo:fao fr:fra,fre fy:fry ga:gle gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau haw:haw "
    "he:heb hi:hin hr:hrv ht:hat hu:hun hy:hye,arm ia:ina id:ind ig:ibo is:isl,ice it:ita iu:iku ja:jpn jv:jav ka:kat,geo kk:kaz kl:kal km:khm "
    "kn:kan ko:kor ku:kur kw:cor ky:kir la:lat lb:ltz lo:lao lt:lit lv:lav mg:mlg mi:mri,mao mk:mkd,mac ml:mal mn:mon mr:mar ms:msa,may mt:mlt "
    "my:mya,bur nb:nob ne:nep nl:nld,dut nn:nno no:nor oc:oci or:ori pa:pan pl:pol ps:pus pt:por qu:que rm:roh ro:ron,rum ru:rus sa:san sc:srd "
    "sd:snd se:sme si:sin sk:slk,slo sl:slv sm:smo sn:sna so:som sq:sqi,alb sr:srp st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha tk:tuk "
    "tl:tgl tn:tsn to:ton tr:tur tt:tat ty:tah ug:uig uk:ukr ur:urd uz:uzb vi:vie wa:wln wo:wol xh:xho yi:yid yo:yor zh:zho,chi zu:zul"
)
"""ISO 639-1 and the codes of ISO 639-2 and -3 that checklists use in its place."""

_ALIASES = {longer: pair.split(":")[0] for pair in _THREE_LETTERS.split() for longer in pair.split(":")[1].split(",")}
_LONGER = {pair.split(":")[0]: pair.split(":")[1].split(",")[0] for pair in _THREE_LETTERS.split()}
_ALIASES |= {"in": "id", "iw": "he", "ji": "yi"}  # withdrawn in 1989, still in use


def three_letters(code: str) -> str:
    """The code of a language by ISO 639-3, as standards want it; the code as it is if there is none for it.

    >>> [three_letters(code) for code in ("de", "ger", "pt_BR", "nah")]
    ['deu', 'deu', 'por', 'nah']
    """
    plain = plain_language(code)
    return _LONGER.get(plain, plain)


def plain_language(code: str) -> str:
    """The two-letter code of a language, without its country or script; the code as it is if it has none.

    >>> [plain_language(code) for code in ("DE", "ger", "pt_BR", "zh-Hant", "nah")]
    ['de', 'de', 'pt', 'zh', 'nah']
    """
    plain = code.strip().lower().replace("_", "-").split("-")[0]
    return _ALIASES.get(plain, plain)
