from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL.TiffImagePlugin import IFDRational

from bioclip_search.exif import FIRST_YEAR, facts_of, moment
from bioclip_search.images import decode
from bioclip_search.media import NO_FACTS, Facts

EXIF, GPS = 0x8769, 0x8825
MAKE, MODEL, CHANGED = 0x010F, 0x0110, 0x0132
TAKEN, DIGITISED, FRACTION, ZONE = 0x9003, 0x9004, 0x9291, 0x9011


def picture_with(outer=None, inner=None, gps=None, format="JPEG") -> PIL.Image.Image:
    """A picture saved with these tags and opened again."""
    exif = PIL.Image.Exif()
    exif.update(outer or {})
    for folder, tags in ((EXIF, inner), (GPS, gps)):
        if tags:
            exif.get_ifd(folder).update(tags)
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(buffer, format, exif=exif.tobytes())
    return decode(buffer, len(buffer.getvalue())).header


def dms(degrees, minutes, seconds):
    return tuple(IFDRational(*part) if isinstance(part, tuple) else IFDRational(part) for part in (degrees, minutes, seconds))


def test_without_exif_nothing_is_known():
    assert facts_of(picture_with()) is NO_FACTS
    assert facts_of(PIL.Image.new("RGB", (8, 8))) is NO_FACTS


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_format_that_holds_exif_tells_it(format):
    assert facts_of(picture_with({MODEL: "HYPERFIRE"}, {TAKEN: "2021:04:11 20:43:09"}, format=format)) == Facts(
        datetime(2021, 4, 11, 20, 43, 9), camera="HYPERFIRE"
    )


def test_the_time_taken_goes_before_the_time_digitised_and_that_before_the_last_change():
    outer, inner = {CHANGED: "2023:01:01 00:00:00"}, {TAKEN: "2021:04:11 20:43:09", DIGITISED: "2022:01:01 00:00:00"}
    assert facts_of(picture_with(outer, inner)).timestamp.year == 2021
    assert facts_of(picture_with(outer, inner | {TAKEN: "0000:00:00 00:00:00"})).timestamp.year == 2022
    assert facts_of(picture_with(outer)).timestamp.year == 2023


def test_fractions_and_zones_are_kept():
    taken = facts_of(picture_with(None, {TAKEN: "2021:04:11 20:43:09", FRACTION: "07", ZONE: "-05:00"})).timestamp
    assert taken == datetime(2021, 4, 11, 20, 43, 9, 70_000, timezone(timedelta(hours=-5)))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("2021:04:11 20:43:09", datetime(2021, 4, 11, 20, 43, 9), id="as the standard has it"),
        pytest.param("2021:04:11 20:43:09\0\0", datetime(2021, 4, 11, 20, 43, 9), id="NULs behind"),
        pytest.param(b"2021:04:11 20:43:09", datetime(2021, 4, 11, 20, 43, 9), id="as bytes"),
        pytest.param("2021-04-11T20:43:09", datetime(2021, 4, 11, 20, 43, 9), id="as ISO has it"),
        pytest.param("2021:04:11 20:43", datetime(2021, 4, 11, 20, 43), id="no seconds"),
        pytest.param("0000:00:00 00:00:00", None, id="a clock never set"),
        pytest.param("    :  :     :  :  ", None, id="blanks: not known"),
        pytest.param("2021:13:41 20:43:09", None, id="no such day"),
        pytest.param("2021:04:11 24:00:00", None, id="no such hour"),
        pytest.param(f"{FIRST_YEAR - 1}:04:11 20:43:09", None, id="before photography"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
        pytest.param(20210411, None, id="a number"),
    ],
)
def test_times_as_cameras_write_them(words, expected):
    assert moment(words) == expected


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        pytest.param("+00:00", UTC, id="Greenwich"),
        pytest.param("Z", None, id="no zone of EXIF"),
        pytest.param("+99:00", None, id="no zone on Earth"),
        pytest.param("   :  ", None, id="blanks"),
    ],
)
def test_zones_as_cameras_write_them(offset, expected):
    assert moment("2021:04:11 20:43:09", None, offset) == datetime(2021, 4, 11, 20, 43, 9, tzinfo=expected)


@pytest.mark.parametrize(
    ("gps", "expected"),
    [
        pytest.param({1: "N", 2: dms(27, 59, 17), 3: "E", 4: dms(86, 55, 31)}, (27.988056, 86.925278), id="Everest: 27°59′17″ = 27 + 59/60 + 17/3600"),
        pytest.param({1: "S", 2: dms(12, (1, 2), 0), 3: "W", 4: dms(69, 0, 0)}, (-12.008333, -69.0), id="Peru, half a minute"),
        pytest.param({1: "N", 2: dms(0, 0, 0), 3: "E", 4: dms(0, 0, 0)}, (0.0, 0.0), id="where the meridian meets the equator"),
        pytest.param({1: "N", 2: dms(0, 0, 0), 3: "E", 4: dms(0, 0, 0), 9: "V"}, (None, None), id="the same, without a fix"),
        pytest.param({1: "N", 2: dms((0, 0), (0, 0), (0, 0)), 3: "E", 4: dms(86, 0, 0)}, (None, None), id="0/0"),
        pytest.param({1: "N", 2: dms(91, 0, 0), 3: "E", 4: dms(86, 0, 0)}, (None, None), id="north of the pole"),
        pytest.param({1: "N", 2: dms(10, 61, 0), 3: "E", 4: dms(86, 0, 0)}, (None, None), id="61 minutes"),
        pytest.param({2: dms(10, 0, 0), 3: "E", 4: dms(86, 0, 0)}, (None, None), id="neither north nor south"),
        pytest.param({1: "N", 2: dms(10, 0, 0)}, (None, None), id="half a position"),
        pytest.param({1: "E", 2: dms(10, 0, 0), 3: "N", 4: dms(86, 0, 0)}, (None, None), id="letters that are mixed up"),
    ],
)
def test_positions(gps, expected):
    facts = facts_of(picture_with(None, None, gps))
    assert (facts.latitude, facts.longitude) == pytest.approx(expected, abs=1e-6)


def test_a_broken_position_costs_neither_time_nor_camera():
    facts = facts_of(picture_with({MODEL: "HYPERFIRE"}, {TAKEN: "2021:04:11 20:43:09"}, {1: "N", 2: (IFDRational(0, 0),)}))
    assert facts == Facts(datetime(2021, 4, 11, 20, 43, 9), camera="HYPERFIRE")


@settings(max_examples=60)
@given(st.binary(max_size=300), st.sampled_from([b"Exif\0\0II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08", b"Exif\0\0", b""]))
def test_no_exif_however_broken_raises_or_warns(rubbish, start):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (8, 8)).save(buffer, "JPEG", exif=start + rubbish)
    decoded = decode(buffer, len(buffer.getvalue()))
    assert isinstance(facts_of(decoded.header), Facts)
    assert sorted(decoded.size_wh) == [8, 8]


def test_the_real_bursts_tell_what_their_cameras_wrote(shared):
    """128 pictures: all have a time and no zone; the makers of the Peruvian cameras wrote NULs for their names."""
    told = Counter()
    for path in sorted((shared / "bursts").rglob("*")):
        if path.suffix.lower() in {".jpg", ".jpeg"}:
            with PIL.Image.open(path) as picture:
                facts = facts_of(picture)
            assert facts.timestamp is not None, path
            assert facts.timestamp.tzinfo is None, path
            told[path.relative_to(shared / "bursts").parts[0], facts.camera] += 1
    assert told == {
        ("animl-peru-SDZG_1", None): 60,
        ("camtrap-dp-example", "RECONYX HYPERFIRE 2 COVERT"): 10,
        ("camtrapR-sample_images_species_dir", "G4 CUDDEBACK"): 46,
        ("camtrapR-sample_images_species_dir", "G6.1 CUDDEBACK"): 22,
    }


def test_the_names_of_the_camtrapr_files_agree_with_their_exif(shared):
    """StationB__2009-04-15__07-21-00(1).JPG was taken at 07:21."""
    for path in sorted((shared / "bursts" / "camtrapR-sample_images_species_dir").rglob("*__*.JPG")):
        with PIL.Image.open(path) as picture:
            assert path.name.split("__", 1)[1].split("(")[0] == facts_of(picture).timestamp.strftime("%Y-%m-%d__%H-%M-%S")
