"""The annotated picture: what it must say and keep, whatever it looks like."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from PIL import Image, ImageColor

from bioclip_search import render
from bioclip_search.fonts import Typeface, fit, is_drawable, tidy, wrap
from bioclip_search.render import annotate, save_png
from bioclip_search.results import Alternative, Answer, Rung, WithoutPlace, percent

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species")
CAT = ("Animalia", "Chordata", "Mammalia", "Carnivora", "Felidae", "Felis", "Felis catus")
LADDER = tuple(map(Rung, RANKS, CAT, (0.99, 0.97, 0.95, 0.9, 0.82, 0.55, 0.5)))
FELIDAE = Answer(
    image="cat.jpg",
    taxon="Felidae",
    rank="family",
    common_name="cats",
    probability=0.82,
    rule="rule 2: family, the lowest rank above the best match to reach 0.80",
    ladder=LADDER,
    alternatives=(Alternative("Canidae", "family", 0.06), Alternative("Mustelidae", "family", 0.03)),
    index="starter",
    encoder="tiny",
)
UNSURE = replace(FELIDAE, taxon=None, rank=None, common_name=None, probability=1.0, alternatives=())
BLANK = replace(UNSURE, probability=None, ladder=())
ENDLESS = "Gammaracanthuskytodermogammarus loricatobaicalensis " * 9
MAGENTA = (255, 0, 255)  # no part of a card has it
BODY = Typeface("Regular", 18)


def photograph(width: int = 300, height: int = 200, colour: tuple[int, int, int] = MAGENTA) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def boxed(*box_xyxy: float) -> Answer:
    return replace(FELIDAE, box_xyxy=box_xyxy)


def extent(image: Image.Image, colour: str | tuple[int, int, int]) -> tuple[int, int, int, int] | None:
    """The bounding box of all pixels of exactly this colour; None if there is none."""
    wanted = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    bands = [band.point([255 * (level == want) for level in range(256)]) for band, want in zip(image.split(), wanted, strict=True)]
    both = Image.composite(bands[0], Image.new("L", image.size), bands[1])
    return Image.composite(both, Image.new("L", image.size), bands[2]).getbbox()


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.1, 1 to 21."""

    def luminance(colour: str) -> float:
        levels = [level / 255 for level in ImageColor.getrgb(colour)]
        linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class TestSheet:
    @pytest.mark.parametrize("answers", [[], [FELIDAE], [BLANK], [UNSURE, BLANK], [BLANK] * 5])
    @pytest.mark.parametrize("size", [(1, 1), (1, 20000), (20000, 1), (300, 200), (200, 300)])
    def test_every_shape_of_photograph_and_number_of_answers_gives_a_sheet_of_sane_size(self, size, answers):
        sheet = annotate(photograph(*size), answers)
        assert sheet.mode == "RGB"
        assert 200 <= sheet.width <= 1800
        assert 200 <= sheet.height <= 2500

    @pytest.mark.parametrize("size", [(300, 200), (200, 300), (640, 427), (4000, 3000)])
    def test_the_photograph_is_scaled_but_not_distorted(self, size):
        left, top, right, bottom = extent(annotate(photograph(*size), [FELIDAE]), MAGENTA)
        assert max(right - left, bottom - top) >= 480
        assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], rel=0.01)

    def test_a_thread_thin_photograph_keeps_a_visible_line(self):
        left, top, right, bottom = extent(annotate(photograph(1, 20000), [FELIDAE]), MAGENTA)
        assert right - left == 1
        assert bottom - top >= 480

    def test_a_single_card_stands_beside_a_landscape_photograph_and_below_a_panorama(self):
        assert extent(annotate(photograph(300, 200), [FELIDAE]), render.BAR_CLAIMED)[0] > 480
        panorama = annotate(photograph(900, 200), [FELIDAE])
        assert extent(panorama, render.BAR_CLAIMED)[1] > extent(panorama, MAGENTA)[3]

    def test_answers_beyond_the_last_card_add_a_note_but_no_card(self):
        full, over = (annotate(photograph(), [BLANK] * n) for n in (render.CARDS_MAX, render.CARDS_MAX + 30))
        assert 0 < over.height - full.height < 100

    @pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
    def test_any_colour_mode_is_drawn(self, mode):
        assert annotate(Image.new(mode, (60, 40)), [BLANK]).mode == "RGB"

    def test_a_transparent_photograph_lies_on_the_mat_not_on_black(self):
        sheet = annotate(Image.new("RGBA", (300, 200)), [])
        assert sheet.getpixel((sheet.width // 2, sheet.height // 2)) == ImageColor.getrgb(render.MAT)

    def test_the_input_is_left_as_it_was(self):
        picture = photograph()
        before = picture.tobytes()
        annotate(picture, [boxed(10, 10, 90, 90)])
        assert picture.tobytes() == before

    def test_same_input_gives_the_same_pixels(self):
        answers = [boxed(10, 10, 90, 90), UNSURE]
        assert annotate(photograph(), answers).tobytes() == annotate(photograph(), answers).tobytes()


class TestBoxes:
    def test_a_box_is_drawn_at_its_place_in_the_scaled_photograph(self):
        plain = extent(annotate(photograph(), []), MAGENTA)
        sheet = annotate(photograph(), [boxed(75, 50, 225, 150)])  # the middle half of 300 x 200
        left, top, right, bottom = extent(sheet, MAGENTA)
        assert plain is not None
        width, height = right - left, bottom - top
        expected = (left + width / 4, top + height / 4, left + width * 3 / 4, top + height * 3 / 4)
        assert extent(sheet, render.BOX_COLOURS[0]) == pytest.approx(expected, abs=1)
        assert sheet.getpixel((left + width // 2, top + height // 2)) == MAGENTA  # an outline, not a lid

    def test_boxes_have_different_colours_which_their_cards_repeat(self):
        sheet = annotate(photograph(), [boxed(10, 10, 90, 90), boxed(120, 20, 290, 190)])
        photo_bottom = extent(sheet, MAGENTA)[3]
        cards = sheet.crop((0, photo_bottom, *sheet.size))
        for colour in render.BOX_COLOURS[:2]:
            assert extent(sheet.crop((0, 0, sheet.width, photo_bottom)), colour) is not None
            assert extent(cards, colour) is not None

    def test_a_single_answer_is_not_numbered(self):
        card = annotate(photograph(), [boxed(10, 10, 90, 90)]).crop((900, 0, 1400, 500))
        assert extent(card, render.BOX_COLOURS[0]) is None

    @pytest.mark.parametrize(
        "box_xyxy",
        [(-50, -50, 900, 900), (299, 100, 300, 101), (100, 100, 100, 100), (400, 80, 500, 120), (90, 90, 10, 10)],
        ids=["larger than the picture", "last pixel", "empty", "outside", "reversed"],
    )
    def test_an_odd_box_stays_inside_the_photograph(self, box_xyxy):
        sheet = annotate(photograph(), [boxed(*box_xyxy)])
        photo = extent(annotate(photograph(), [FELIDAE]), MAGENTA)
        left, top, right, bottom = extent(sheet, render.BOX_COLOURS[0])
        assert photo[0] <= left < right <= photo[2]
        assert photo[1] <= top < bottom <= photo[3]

    def test_boxes_on_a_single_pixel_survive(self):
        assert annotate(photograph(1, 1), [boxed(0, 0, 1, 1), boxed(0, 0, 1, 1)]).mode == "RGB"


class TestCard:
    def bars(self, answer: Answer, colour: str) -> int:
        """How many bars of a colour the picture shows, counted down the line where all bars begin."""
        sheet = annotate(photograph(), [answer])
        found = extent(sheet, colour)
        if found is None:
            return 0
        column = [sheet.getpixel((found[0] + 2, y)) == ImageColor.getrgb(colour) for y in range(sheet.height)]
        return sum(now and not before for before, now in zip([False, *column], column, strict=False))

    @pytest.mark.parametrize(
        ("answer", "claimed", "guessed"),
        [
            (FELIDAE, 5, 2),
            (replace(FELIDAE, taxon="Felis catus", rank="species"), 7, 0),
            (replace(FELIDAE, taxon="Animalia", rank="kingdom"), 1, 6),
            (UNSURE, 0, 7),
            (BLANK, 0, 0),
        ],
        ids=["family", "species", "kingdom", "no answer", "no organism"],
    )
    def test_rungs_down_to_the_answer_are_strong_and_those_below_pale(self, answer, claimed, guessed):
        assert self.bars(answer, render.BAR_CLAIMED) == claimed
        assert self.bars(answer, render.BAR_GUESSED) == guessed

    def test_the_bar_is_as_long_as_the_probability(self):
        widths = []
        for probability in (1.0, 0.5):
            one_rung = replace(UNSURE, ladder=(Rung("kingdom", "Animalia", probability),))
            found = extent(annotate(photograph(), [one_rung]), render.BAR_GUESSED)
            widths.append(found[2] - found[0])
        assert widths[1] / widths[0] == pytest.approx(0.5, abs=0.01)

    @pytest.mark.parametrize("probability", [0.0, 1.0, 1.0000001, -1e-9, math.nan])
    def test_probabilities_at_and_beyond_the_ends_are_drawn(self, probability):
        answer = replace(FELIDAE, probability=probability, ladder=(Rung("family", "Felidae", probability),))
        assert self.bars(answer, render.BAR_CLAIMED) == 1

    def test_nothing_runs_into_the_padding_of_the_card_however_long_the_names(self):
        answer = replace(
            FELIDAE,
            taxon=ENDLESS,
            common_name=ENDLESS.replace(" ", ""),
            rule=ENDLESS,
            index=ENDLESS,
            ladder=tuple(Rung(rank, ENDLESS, 0.999) for rank in RANKS),
            alternatives=(Alternative(ENDLESS, "species", 0.5), Alternative(ENDLESS, "genus", 0.4)),
        )
        sheet = annotate(photograph(), [answer])
        right = sheet.width - render.MARGIN_PX - 1
        padding = sheet.crop((right - render.PADDING_PX + 3, 60, right, sheet.height - 60))
        assert padding.getcolors() == [(padding.width * padding.height, ImageColor.getrgb(render.CARD))]

    @pytest.mark.parametrize("name", ["イエネコ", "قط", "\N{CAT FACE}", "", "  \n "])
    def test_a_vernacular_name_that_cannot_be_written_gives_way_to_the_scientific_name(self, name):
        plain = annotate(photograph(), [replace(FELIDAE, common_name=None)])
        assert annotate(photograph(), [replace(FELIDAE, common_name=name)]).tobytes() == plain.tobytes()

    def test_genus_and_below_are_italic_and_higher_taxa_upright(self):
        cuts = {rank: render._cut(rank) for rank in (*RANKS, "subspecies", "subfamily")}
        assert {rank for rank, cut in cuts.items() if cut == "Italic"} == {"genus", "species", "subspecies"}

    def test_text_has_the_contrast_that_wcag_aa_asks_for(self):
        for ink in (render.INK, render.SOFT_INK, render.CLAIM):
            assert contrast(ink, render.CARD) >= 4.5
        assert contrast(render.SOFT_INK, render.GROUND) >= 4.5
        for colour in render.BOX_COLOURS:
            assert contrast(render.INK, colour) >= 3.0  # the number in a badge is bold and large


class TestText:
    @pytest.mark.parametrize("text", ["Felis catus", ENDLESS, "W" * 400, "домашняя кошка " * 20, "", "i", "…"])
    @pytest.mark.parametrize("width", [60, 200, 444])
    def test_fitted_text_is_never_wider_than_asked(self, text, width):
        assert BODY.length(fit(text, BODY, width)) <= width
        for line in wrap(text, BODY, width, 3):
            assert BODY.length(line) <= width

    def test_text_that_fits_is_left_alone_and_other_text_ends_in_an_ellipsis(self):
        assert fit("Felis catus", BODY, 400) == "Felis catus"
        shortened = fit("Felis catus", BODY, 70)
        assert shortened.endswith("…")
        assert "Felis catus".startswith(shortened[:-1])

    def test_shortening_takes_no_more_than_it_must(self):
        shortened = fit("W" * 50, BODY, 300)
        assert BODY.length("W" + shortened) > 300

    def test_wrapped_text_loses_no_word_unless_cut(self):
        rule = "the lowest rank above the best match to reach the threshold"
        lines = wrap(rule, BODY, 220, 9)
        assert len(lines) > 1
        assert " ".join(lines) == rule
        assert len(wrap(rule, BODY, 100, 2)) == 2

    def test_white_space_and_split_accents_are_tidied(self):
        assert tidy("  Felis\n\tcatus ") == "Felis catus"
        assert tidy("cafe\N{COMBINING ACUTE ACCENT}") == "café"

    @pytest.mark.parametrize("text", ["kočka domácí", "mèo nhà ở", "ʻiʻiwi", "γάτα", "домашняя кошка", "≥ 0.80 → genus", "×"])
    def test_latin_greek_and_cyrillic_names_can_be_written(self, text):
        assert is_drawable(text)

    @pytest.mark.parametrize("text", ["ネコ", "猫", "قط", "cat \N{CAT FACE}"])
    def test_names_in_other_scripts_are_known_to_be_missing(self, text):
        assert not is_drawable(text)


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (0.0, "<1 %"),
        (0.0099, "<1 %"),
        (0.01, "1 %"),
        (0.014, "1 %"),
        (0.126, "13 %"),
        (0.87, "87 %"),
        (0.984, "98 %"),
        (0.99, "99 %"),
        (0.9901, ">99 %"),
        (0.99999, ">99 %"),
        (1.0, ">99 %"),
        (math.nan, "–"),
    ],
)
def test_percentages_are_whole_and_never_certain(probability, words):
    assert percent(probability).replace("\N{NO-BREAK SPACE}", " ") == words


class TestSaving:
    def test_a_saved_picture_comes_back_and_leaves_nothing_else(self, tmp_path):
        image = photograph(5, 4)
        save_png(image, tmp_path / "cat.png")
        assert [path.name for path in tmp_path.iterdir()] == ["cat.png"]
        with Image.open(tmp_path / "cat.png") as back:
            assert (back.format, back.tobytes()) == ("PNG", image.tobytes())

    def test_same_picture_gives_the_same_bytes(self, tmp_path):
        for name in ("a.png", "b.png"):
            save_png(annotate(photograph(), [FELIDAE]), tmp_path / name)
        assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

    def test_a_failed_save_keeps_the_old_file_and_leaves_no_temporary_one(self, tmp_path):
        (tmp_path / "cat.png").write_bytes(b"old")
        with pytest.raises(OSError, match="HSV"):  # a mode that PNG does not know
            save_png(Image.new("HSV", (2, 2)), tmp_path / "cat.png")
        assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("cat.png", b"old")]

    def test_a_missing_folder_is_an_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            save_png(photograph(2, 2), tmp_path / "nowhere" / "cat.png")


def test_a_card_grows_by_what_there_is_to_mind():
    stray = replace(
        FELIDAE, place="NOR", out_of_range=True, without_place=WithoutPlace("Panthera leo", "species", 0.9), beyond_calibration=("fitted elsewhere",)
    )
    heights = [render._card(answer, None, render.CARD_WIDTH_PX).height for answer in (FELIDAE, replace(stray, out_of_range=False), stray)]
    assert heights == sorted(set(heights))
    assert annotate(photograph(), [stray]).height >= heights[-1]
