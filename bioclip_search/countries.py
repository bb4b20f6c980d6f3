"""Gives the three-letter code of a country for its two-letter one, and back (ISO 3166-1).

Knows codes only; where a taxon lives is left to `geography`.
"""

from __future__ import annotations

from difflib import get_close_matches

CODES = """
AD:AND AE:ARE AF:AFG AG:ATG AI:AIA AL:ALB AM:ARM AO:AGO AQ:ATA AR:ARG AS:ASM AT:AUT AU:AUS AW:ABW AX:ALA AZ:AZE BA:BIH BB:BRB BD:BGD BE:BEL
BF:BFA BG:BGR BH:BHR BI:BDI BJ:BEN BL:BLM BM:BMU BN:BRN BO:BOL BQ:BES BR:BRA BS:BHS BT:BTN BV:BVT BW:BWA BY:BLR BZ:BLZ CA:CAN CC:CCK CD:COD
CF:CAF CG:COG CH:CHE CI:CIV CK:COK CL:CHL CM:CMR CN:CHN CO:COL CR:CRI CU:CUB CV:CPV CW:CUW CX:CXR CY:CYP CZ:CZE DE:DEU DJ:DJI DK:DNK DM:DMA
DO:DOM DZ:DZA EC:ECU EE:EST EG:EGY EH:ESH ER:ERI ES:ESP ET:ETH FI:FIN FJ:FJI FK:FLK FM:FSM FO:FRO FR:FRA GA:GAB GB:GBR GD:GRD GE:GEO GF:GUF
GG:GGY GH:GHA GI:GIB GL:GRL GM:GMB GN:GIN GP:GLP GQ:GNQ GR:GRC GS:SGS GT:GTM GU:GUM GW:GNB GY:GUY HK:HKG HM:HMD HN:HND HR:HRV HT:HTI HU:HUN
ID:IDN IE:IRL IL:ISR IM:IMN IN:IND IO:IOT IQ:IRQ IR:IRN IS:ISL IT:ITA JE:JEY JM:JAM JO:JOR JP:JPN KE:KEN KG:KGZ KH:KHM KI:KIR KM:COM KN:KNA
KP:PRK KR:KOR KW:KWT KY:CYM KZ:KAZ LA:LAO LB:LBN LC:LCA LI:LIE LK:LKA LR:LBR LS:LSO LT:LTU LU:LUX LV:LVA LY:LBY MA:MAR MC:MCO MD:MDA ME:MNE
MF:MAF MG:MDG MH:MHL MK:MKD ML:MLI MM:MMR MN:MNG MO:MAC MP:MNP MQ:MTQ MR:MRT MS:MSR MT:MLT MU:MUS MV:MDV MW:MWI MX:MEX MY:MYS MZ:MOZ NA:NAM
NC:NCL NE:NER NF:NFK NG:NGA NI:NIC NL:NLD NO:NOR NP:NPL NR:NRU NU:NIU NZ:NZL OM:OMN PA:PAN PE:PER PF:PYF PG:PNG PH:PHL PK:PAK PL:POL PM:SPM
PN:PCN PR:PRI PS:PSE PT:PRT PW:PLW PY:PRY QA:QAT RE:REU RO:ROU RS:SRB RU:RUS RW:RWA SA:SAU SB:SLB SC:SYC SD:SDN SE:SWE SG:SGP SH:SHN SI:SVN
SJ:SJM SK:SVK SL:SLE SM:SMR SN:SEN SO:SOM SR:SUR SS:SSD ST:STP SV:SLV SX:SXM SY:SYR SZ:SWZ TC:TCA TD:TCD TF:ATF TG:TGO TH:THA TJ:TJK TK:TKL
TL:TLS TM:TKM TN:TUN TO:TON TR:TUR TT:TTO TV:TUV TW:TWN TZ:TZA UA:UKR UG:UGA UM:UMI US:USA UY:URY UZ:UZB VA:VAT VC:VCT VE:VEN VG:VGB VI:VIR
VN:VNM VU:VUT WF:WLF WS:WSM XK:XKX YE:YEM YT:MYT ZA:ZAF ZM:ZMB ZW:ZWE
"""
"""Two letters and three; XK and XKX for Kosovo are in common use though not in the standard."""

ALPHA3_OF_ALPHA2 = dict(pair.split(":") for pair in CODES.split())
ALPHA3 = frozenset(ALPHA3_OF_ALPHA2.values())

MISTAKEN = """
UK:GBR EN:GBR ENG:GBR GER:DEU NED:NLD SUI:CHE DEN:DNK POR:PRT CRO:HRV GRE:GRC BUL:BGR LAT:LVA SLO:SVN RSA:ZAF TAN:TZA ZAM:ZMB ZIM:ZWE BOT:BWA MAD:MDG
NGR:NGA ALG:DZA INA:IDN MAS:MYS PHI:PHL VIE:VNM MGL:MNG NEP:NPL SRI:LKA CHI:CHL PAR:PRY URU:URY CRC:CRI HON:HND GUA:GTM PUR:PRI KSA:SAU UAE:ARE
"""
"""What people write instead, such as the codes of the Olympic games."""

MEANT_BY = dict(pair.split(":") for pair in MISTAKEN.split())


def alpha3(code: str) -> str | None:
    """The three-letter code for one of two or three letters, in any case; None where there is no such country.

    >>> alpha3("de"), alpha3("DEU"), alpha3("Germany")
    ('DEU', 'DEU', None)
    """
    code = code.strip().upper()
    return ALPHA3_OF_ALPHA2.get(code) or (code if code in ALPHA3 else None)


def spellings(code: str) -> list[str]:
    """A three-letter code and the two-letter ones that mean the same.

    >>> spellings("DEU")
    ['DEU', 'DE']
    """
    return [code, *(two for two, three in ALPHA3_OF_ALPHA2.items() if three == code)]


def likest_codes(text: str) -> list[str]:
    """The codes that may have been meant: that of another list of codes, else up to three that look most like it.

    >>> likest_codes("GER"), likest_codes("NOE")
    (['DEU'], ['NOR', 'NER', 'MNE'])
    """
    words = text.strip().upper()
    if words in MEANT_BY:
        return [MEANT_BY[words]]
    return get_close_matches(words, sorted(ALPHA3), n=3) if len(words) <= 3 else []
