"""Reads geofences: SpeciesNet's JSON map from taxon to rules, and the CSV of corrections that is laid over one.

What the rules mean is left to `geofence`.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bioclip_search.countries import alpha3
from bioclip_search.errors import TableError
from bioclip_search.geography.geofence import KEY_RANKS, Rule, counted, some
from bioclip_search.geography.place import REGION

MAX_BYTES = 64 << 20
"""SpeciesNet's own geofence has a few megabytes."""

JSON_FORM = 'one object such as {"mammalia;carnivora;felidae;panthera;leo": {"allow": {"KEN": [], "TZA": []}}}'
CSV_COLUMNS = ("species", "rule", "country_code", "admin1_region_code")

Rules = dict[str, dict[str, dict[str, list[str]]]]
"""Key → allow or block → country → regions."""


def read_fences(paths: Sequence[Path]) -> tuple[str, dict[str, Rule], tuple[str, ...]]:
    """The name of the first file, the rules of all, later ones laid over earlier ones, and what was odd.

    Raises:
        TableError: A file cannot be read, or is not of either form.
    """
    rules: Rules = {}
    notes: list[str] = []
    for path in paths:
        text = _text(path)
        if text.lstrip()[:1] in ("{", "["):
            rules |= _from_json(path, text)
        else:
            notes += _correct(rules, _rows(path, text), path)
    if not rules:
        raise TableError(f"{paths[0]}: holds no rule. Expected {JSON_FORM}, or a CSV with the columns {', '.join(CSV_COLUMNS)}.")
    notes += _unknown_countries(rules, paths[0].name)
    return paths[0].name, {key: Rule(**{kind: _frozen(part) for kind, part in rule.items()}) for key, rule in rules.items()}, tuple(notes)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TableError(f"{path}: has {path.stat().st_size:,} bytes; a geofence has at most {MAX_BYTES:,}.")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}). Give a geofence: JSON, or a CSV of corrections.") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: is not text in UTF-8. Save the geofence as UTF-8.") from error


# JSON


def _from_json(path: Path, text: str) -> Rules:
    try:
        told = json.loads(text, object_pairs_hook=lambda pairs: _once(path, pairs))
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: is not JSON as it should be ({str(error)[:200]}). Expected {JSON_FORM}.") from error
    if not isinstance(told, dict):
        raise TableError(f"{path}: holds a list. Expected {JSON_FORM}.")
    found: Rules = {}
    for written, rule in told.items():
        key = _key(written, f"{path}")
        if key in found:
            raise TableError(f"{path}: has two rules for {key}. Keep one.")
        found[key] = _rule(rule, f"{path}: {written}")
    return found


def _once(path: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        doubled = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise TableError(f"{path}: has {_shortly(doubled)} twice in one object. Keep one.")
    return told


def _rule(rule: Any, where: str) -> dict[str, dict[str, list[str]]]:
    if not isinstance(rule, dict) or not set(rule) <= {"allow", "block"}:
        raise TableError(f'{where}: its rule is {_shortly(rule)}. Expected an object with "allow", "block" or both.')
    return {kind: _countries(part, f"{where}: {kind}") for kind, part in rule.items()}


def _countries(part: Any, where: str) -> dict[str, list[str]]:
    if not isinstance(part, dict):
        raise TableError(f'{where}: is {_shortly(part)}. Expected countries with their regions, such as {{"USA": ["AK"], "CAN": []}}.')
    for country, regions in part.items():
        if not isinstance(regions, list) or not all(isinstance(region, str) for region in regions):
            raise TableError(f"{where}: {country}: is {_shortly(regions)}. Expected a list of regions, empty for the whole country.")
    return {_country(country, where): [_region(region, f"{where}: {country}") for region in regions] for country, regions in part.items()}


# CSV


def _rows(path: Path, text: str) -> Iterable[tuple[str, dict[str, str]]]:
    """The rows below the header, each with where it stands; empty ones and those that start with # are left out."""
    lines = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        cells = [(lines.line_num, [cell.strip() for cell in row]) for row in lines if any(row) and not row[0].startswith("#")]
    except csv.Error as error:
        raise TableError(f"{path}: line {lines.line_num} cannot be read ({error}). Save it as CSV in UTF-8.") from error
    header = [name.lower() for name in cells[0][1]] if cells else []
    if header != list(CSV_COLUMNS):
        raise TableError(f"{path}: has the columns {', '.join(header)[:200] or 'none'}. Expected {', '.join(CSV_COLUMNS)}, or JSON: {JSON_FORM}.")
    for line, row in cells[1:]:
        if len(row) != len(CSV_COLUMNS):
            raise TableError(f"{path}: line {line} has {len(row)} cells. Expected {len(CSV_COLUMNS)}: {', '.join(CSV_COLUMNS)}.")
        yield f"{path}: line {line}", dict(zip(CSV_COLUMNS, row, strict=True))


def _correct(rules: Rules, rows: Iterable[tuple[str, dict[str, str]]], path: Path) -> list[str]:
    """Lays corrections over the rules, as `build_geofence_release.fix_geofence_base` does; what they newly confine is told.

    A row without a region is about the whole country, whatever was told of its regions; where the whole is told, one
    with a region adds nothing.
    """
    confined = []
    for where, row in rows:
        key, kind = _key(row["species"], where), row["rule"].lower()
        if kind not in ("allow", "block"):
            raise TableError(f"{where}: the rule is {row['rule']!r}. Expected allow or block.")
        country, region = _country(row["country_code"], where), row["admin1_region_code"]
        if kind == "allow" and not rules.get(key, {}).get("allow"):
            confined.append(key)
        countries = rules.setdefault(key, {}).setdefault(kind, {})
        regions = countries.get(country)
        if not region:
            countries[country] = []
        elif regions is None:
            countries[country] = [_region(region, where)]
        elif regions and _region(region, where) not in regions:
            regions.append(_region(region, where))
    if not confined:
        return []
    told = f"{path.name}: allows {some(tuple(confined))} in some places and so nowhere else"
    return [f"{told}; corrections are meant to be laid over a geofence: give that first"]


# Both


def _key(written: str, where: str) -> str:
    """The key in small letters, with five parts of which the last named one is the taxon."""
    parts = [part.strip().lower() for part in written.split(";")]
    if len(parts) != len(KEY_RANKS) or not any(parts) or (parts[4] and not parts[3]):
        raise TableError(f"{where}: {written[:200]!r} names no taxon. Expected {';'.join(KEY_RANKS)}, such as mammalia;carnivora;felidae;panthera;leo.")
    return ";".join(parts)


def _country(written: str, where: str) -> str:
    code = written.strip().upper()
    if not (code.isascii() and code.isalpha() and len(code) in (2, 3)):
        raise TableError(f"{where}: {written[:50]!r} is no country. Expected three letters of ISO 3166, such as KEN.")
    return alpha3(code) or code


def _region(written: str, where: str) -> str:
    code = written.strip().upper().rpartition("-")[2]
    if not REGION.fullmatch(code):
        raise TableError(f"{where}: {written[:50]!r} is no region. Expected its code of ISO 3166-2, such as AK; nothing for the whole country.")
    return code


def _unknown_countries(rules: Rules, name: str) -> list[str]:
    told = {country for rule in rules.values() for part in rule.values() for country in part}
    unknown = tuple(sorted(country for country in told if alpha3(country) is None))
    return (
        [f"{name}: {counted(len(unknown), 'country that is', 'countries that are')} none of ISO 3166 and can never be meant ({some(unknown)})"]
        if unknown
        else []
    )


def _frozen(part: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {country: tuple(sorted(regions)) for country, regions in part.items()}


def _shortly(value: Any) -> str:
    return repr(value)[:60]
