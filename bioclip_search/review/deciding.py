"""From the rows of a table that a person filled in to decisions: which crop is meant, and which taxon.

Rows that cannot be understood are told one by one, and the others taken. Keeping decisions is left to `decisions`, names to `names.match`.

A row tells the picture by `media_id` or `image`, the box by `crop`, and what was decided by `verdict`, `taxon` and `note`:

1. Neither verdict nor taxon is filled in: nobody looked at it yet.
2. A taxon without a verdict: accepted if it is the machine's, else corrected.
3. Accepted: the machine's own answer; a taxon beside it must be the same.
4. Corrected: the taxon, by any name of the index: accepted, synonym or vernacular. A misspelt name is never guessed at.
5. Blank, person, vehicle, unsure: no taxon.
6. Without a crop the only one of the picture is meant; of a picture without any, and for rule 5, the whole picture.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bioclip_search.errors import IndexFolderError, RunError, TableError
from bioclip_search.names import Names
from bioclip_search.names.fold import fold_scientific
from bioclip_search.names.lookup import PATH_SIGN
from bioclip_search.names.match import EXACT, FUZZY, HIGHERRANK, HOMONYM, SAME, Match, match_names
from bioclip_search.names.parse import parse
from bioclip_search.review.decisions import ACCEPTED, BLANK, CORRECTED, PERSON, UNSURE, VEHICLE, VERDICTS, WHOLE, ReviewDecision, append
from bioclip_search.review.spreading import for_the_burst
from bioclip_search.runs.folder import Run
from bioclip_search.runs.record import TaggedPicture
from bioclip_search.runs.table import schema, to_pictures
from bioclip_search.standards.csv_table import unsafe

COLUMNS = ("image", "media_id", "crop", "verdict", "taxon", "note")
MAX_CELL = 4096
"""Letters of a cell at most."""


@dataclass(frozen=True)
class RowError:
    """A row that could not be taken, and why. `row` counts from 1, the header not counted."""

    row: int
    image: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row} ({self.image or 'no picture'}): {self.reason}"


@dataclass(frozen=True)
class Decided:
    """What became of a table: the decisions taken, the rows that could not be, how many were left open, and the name of the batch."""

    decisions: tuple[ReviewDecision, ...]
    errors: tuple[RowError, ...]
    left_open: int
    batch: str | None


def decide(
    folder: str | Path,
    decisions: str | Path | Iterable[Mapping[str, Any]],
    who: str,
    *,
    names: Names | None = None,
    when: datetime | None = None,
    new_names: bool = False,
    whole_bursts: bool = False,
) -> Decided:
    """Keeps the decisions of a CSV file, or of rows at hand, and tells which could not be taken.

    Args:
        decisions: Rows with the keys of `COLUMNS`; others are not looked at.
        who: The name of the person.
        names: Of the index that the run was made with; opened by its name unless given.
        when: Aware; now unless given.
        whole_bursts: Takes each decision for the other crops of its sequence, too, as far as nobody decided about them; not where the
            rows decide about one sequence in two ways, for then two animals are in it.
        new_names: Takes a binomial that the index lacks as written, below its genus, if the index has that.

    Raises:
        RunError: The folder holds no run, its index is not at hand, or the decisions cannot be kept.
        TableError: The file is no table with these columns, or `who` is no name.
    """
    if not who.strip() or not _is_text(who):
        raise TableError("Say who decided: --who NAME, in letters of Unicode.")
    run = Run.open(folder)
    rows = list(read_rows(decisions) if isinstance(decisions, str | Path) else enumerate(decisions, start=1))
    filled = [(number, row) for number, row in rows if _cell(row, "verdict") or _cell(row, "taxon")]
    reader = _Reader(_pictures_of(run, [row for _, row in filled]), _Lookup(run, names, new_names), who.strip(), when or datetime.now(UTC))
    taken, errors = [], []
    for number, row in filled:
        try:
            taken.append(reader.decision(row))
        except TableError as error:
            errors.append(RowError(number, _cell(row, "image") or _cell(row, "media_id"), str(error)))
    if whole_bursts:
        taken += list(for_the_burst(run, taken))
    return Decided(tuple(taken), tuple(errors), len(rows) - len(filled), append(run.folder, taken))


def read_rows(path: str | Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their numbers, whichever of comma, semicolon and tab parts the columns.

    Raises:
        TableError: It cannot be read, is no text in Unicode, or lacks the columns.
    """
    path = Path(path)
    try:
        with path.open(encoding=_encoding(path), newline="") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(",;\t", key=header.count), strict=True)
            columns = [(name or "").strip().lower() for name in reader.fieldnames or []]
            if not {"image", "media_id"} & set(columns) or not {"verdict", "taxon"} & set(columns):
                raise TableError(
                    f"{path}: expected the columns {', '.join(COLUMNS)}, found {', '.join(columns) or 'none'}. Make such a table with `review RUN --template FILE`."
                )
            reader.fieldnames = columns
            for number, row in enumerate(reader, start=1):
                yield number, {name: unsafe(value) for name, value in row.items() if name and isinstance(value, str)}
    except UnicodeError as error:
        raise TableError(f"{path}: is no text in UTF-8, so letters would be lost. Save it from the spreadsheet program as CSV UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read as a table ({error}).") from error


def _encoding(path: Path) -> str:
    """UTF-8, but for the two bytes that "Unicode text" of a spreadsheet program begins with."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


class _Reader:
    """Understands rows one by one."""

    def __init__(self, pictures: Mapping[str, Sequence[TaggedPicture]], lookup: _Lookup, who: str, when: datetime):
        self._pictures, self._lookup, self._who, self._when = pictures, lookup, who, when

    def decision(self, row: Mapping[str, Any]) -> ReviewDecision:
        """Raises: TableError: the row cannot be understood."""
        verdict, name = _cell(row, "verdict").lower(), _cell(row, "taxon")
        if longest := next((column for column in COLUMNS if len(_cell(row, column)) > MAX_CELL), None):
            raise TableError(f"the cell {longest} has more than {MAX_CELL:,} letters")
        if not _is_text(_cell(row, "note")):
            raise TableError("the note holds bytes that are no text in UTF-8")
        if verdict and verdict not in VERDICTS:
            raise TableError(f"the verdict {verdict!r} is none; there are {', '.join(VERDICTS)}")
        if verdict in (BLANK, PERSON, VEHICLE, UNSURE) and name:
            raise TableError(f"{verdict} leaves no taxon, yet {name} stands beside it; say {CORRECTED}, or take the name out")
        picture = self._picture(row)
        number = self._crop(row, picture, verdict)
        told = {"taxon": None, "rank": None, "lineage": {}}
        if verdict in ("", ACCEPTED, CORRECTED):
            verdict, told = self._named(verdict, name, picture, number)
        return ReviewDecision(picture.media_id, number, verdict, self._who, self._when, note=_cell(row, "note") or None, **told)

    def _named(self, verdict: str, name: str, picture: TaggedPicture, number: int) -> tuple[str, dict[str, Any]]:
        """Rules 2 to 4: the verdict, and the taxon with its rank and lineage."""
        own = next((crop.answer for crop in picture.crops if crop.number == number), None)
        named = self._lookup.taxon(name) if name else None
        is_same = own is not None and named is not None and (own.taxon, own.rank) == (named["taxon"], named["rank"])
        if verdict == ACCEPTED or (not verdict and is_same):
            if own is None or own.taxon is None:
                raise TableError("there is no answer of the machine to accept; write the taxon, or unsure")
            if named is not None and not is_same:
                raise TableError(f"accepted is the machine's {own.taxon}, yet {name} stands beside it; say {CORRECTED}")
            return ACCEPTED, {"taxon": own.taxon, "rank": own.rank, "lineage": own.lineage}
        if named is None:
            raise TableError(f"{CORRECTED} needs a taxon")
        return CORRECTED, named

    def _picture(self, row: Mapping[str, Any]) -> TaggedPicture:
        name = _cell(row, "media_id") or _cell(row, "image")
        found = self._pictures.get(name) or self._pictures.get(name.replace("\\", "/")) or ()
        if not found:
            raise TableError("there is no such picture in the run" if name else "the row tells neither image nor media_id")
        if len(found) > 1:
            raise TableError(f"the run has {len(found)} pictures of this name (frames of a video); tell which by its media_id")
        return found[0]

    def _crop(self, row: Mapping[str, Any], picture: TaggedPicture, verdict: str) -> int:
        """Rule 6."""
        written, numbers = _cell(row, "crop"), [crop.number for crop in picture.crops]
        if not written:
            if len(numbers) > 1 and verdict not in (BLANK, PERSON, VEHICLE, UNSURE):
                raise TableError(f"the picture has {len(numbers)} crops; tell which, {numbers[0]} to {numbers[-1]}")
            return numbers[0] if len(numbers) == 1 else WHOLE
        try:
            number = int(float(written))
        except (ValueError, OverflowError):
            raise TableError(f"the crop {written!r} is no number") from None
        if number != WHOLE and number not in numbers:
            raise TableError(f"there is no crop {number}; the picture has {', '.join(map(str, numbers)) or 'none'}, and {WHOLE} means all of it")
        return number


class _Lookup:
    """Taxa by any name. The names of the index are opened with the first."""

    def __init__(self, run: Run, names: Names | None, new_names: bool):
        self._run, self._given, self._new_names = run, names, new_names
        self._known: dict[str, dict[str, Any] | str] = {}

    @cached_property
    def _names(self) -> Names:
        from bioclip_search.catalogue import Catalogue

        if self._given is not None:
            return self._given
        name = self._run.note["settings"].get("index", {}).get("name")
        try:
            return Catalogue.open(name or "").names
        except IndexFolderError as error:
            told = f"the index {name}, which the run was made with, is not here ({error})" if name else "the run does not tell its index"
            raise RunError(f"{self._run.folder}: names cannot be looked up, for {told}. Name an index with --index.") from error

    def taxon(self, name: str) -> dict[str, Any]:
        """Raises: TableError: the name means no taxon, or several."""
        if name not in self._known:
            (match,) = match_names(self._names, [name])
            self._known[name] = self._found(match) or f"{name}: {self._why_not(match)}"
        found = self._known[name]
        if isinstance(found, str):
            raise TableError(found)
        return found

    def _found(self, match: Match) -> dict[str, Any] | None:
        ancestors = [fold_scientific(part) for part in (match.name or "").split(PATH_SIGN)[:-1]]
        if not match.taxon or not set(ancestors) <= {fold_scientific(name) for name in match.lineage.values()}:
            return None
        named = {"taxon": match.taxon, "rank": match.rank, "lineage": dict(match.lineage)}
        parsed = parse(match.name or "")
        if match.match_type in (EXACT, SAME) or (
            match.match_type == HIGHERRANK and (parsed.qualifier or parsed.infraspecific) and match.rank in ("genus", "species")
        ):
            return named
        is_binomial = match.match_type in (FUZZY, HIGHERRANK) and parsed.genus and parsed.epithet and not parsed.is_formula
        if not (self._new_names and is_binomial):
            return None
        (genus,) = match_names(self._names, [parsed.genus])
        species = f"{genus.taxon} {parsed.epithet}"
        return (
            {"taxon": species, "rank": "species", "lineage": {**genus.lineage, "species": species}}
            if genus.match_type == EXACT and genus.rank == "genus"
            else None
        )

    def _why_not(self, match: Match) -> str:
        if match.match_type == HOMONYM:
            paths = [f"{next(iter(other.lineage.values()))} {PATH_SIGN} {other.taxon}" for other in match.alternatives]
            return f"means {len(paths)} taxa; write {' or '.join(dict.fromkeys(paths))}"
        if match.match_type == FUZZY:
            return f"is no name of the index; did you mean {match.matched_name}?"
        if match.match_type == HIGHERRANK:
            return f"is no name of the index, which has only the {match.rank} {match.taxon}; write {match.taxon}, or take the name as it is with --new-names"
        return f"is no name of the index ({match.note})" if match.note else "is no name of the index"


def _pictures_of(run: Run, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[TaggedPicture]]:
    """The pictures that rows speak of, by media id and by name; of a run of any size only those are held."""
    told = {_cell(row, "media_id") or _cell(row, "image") for row in rows}
    wanted = pa.array(sorted(told | {name.replace("\\", "/") for name in told}), pa.string())
    found: dict[str, list[TaggedPicture]] = {}
    if rows:
        for picture in to_pictures(_matching(run, lambda batch: pc.or_(pc.is_in(batch.column("media_id"), wanted), pc.is_in(batch.column("image"), wanted)))):
            found[picture.media_id] = [picture]
            found.setdefault(picture.image, []).append(picture)
    return found


def _matching(run: Run, of: Callable[[pa.RecordBatch], pa.Array]) -> Iterator[pa.RecordBatch]:
    for batch in run.batches(schema(None).names):
        kept = batch.filter(of(batch))
        if len(kept):
            yield kept


def _is_text(text: str) -> bool:
    """Whether it holds no stray bytes, as a name on a command line may: such a line could not be read again."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _cell(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()
