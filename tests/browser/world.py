"""A small world whose answers are known: each taxon has one picture, and a searcher that knows it again.

The vector of a taxon is that of its own picture, so that this picture's answer is right and near certain, and no other's is.
"""

from __future__ import annotations

import io
from pathlib import Path

import PIL.ExifTags
import PIL.Image
import pyarrow as pa

from bioclip_search.build import build_from_vectors
from bioclip_search.encoder.opening import open_encoder
from bioclip_search.prompts import BARE_TEMPLATE, RANKS, TextRecipe
from bioclip_search.taxonomy import Taxonomy
from tests.peers.random_models import synthetic_picture, write_model_folder

SPECIES = """
Mammalia Carnivora Felidae Puma|Puma concolor|puma|ピューマ|Puma|puma
Mammalia Carnivora Felidae Panthera|Panthera uncia|snow leopard|ユキヒョウ|Schneeleopard|leopardo de las nieves
Mammalia Carnivora Felidae Panthera|Panthera leo|lion|ライオン|Löwe|león
Mammalia Carnivora Felidae Lynx|Lynx lynx|Eurasian lynx|オオヤマネコ|Eurasischer Luchs|lince boreal
Mammalia Carnivora Felidae Felis|Felis silvestris|European wildcat|ヨーロッパヤマネコ|Europäische Wildkatze|gato montés
Mammalia Carnivora Canidae Vulpes|Vulpes vulpes|red fox|アカギツネ|Rotfuchs|zorro rojo
Mammalia Carnivora Canidae Canis|Canis lupus|wolf|タイリクオオカミ|Wolf|lobo
Mammalia Carnivora Ursidae Ursus|Ursus arctos|brown bear|ヒグマ|Braunbär|oso pardo
Mammalia Carnivora Mustelidae Martes|Martes martes|pine marten|マツテン|Baummarder|marta
Mammalia Carnivora Mustelidae Meles|Meles meles|European badger|ヨーロッパアナグマ|Dachs|tejón
Mammalia Artiodactyla Cervidae Cervus|Cervus elaphus|red deer|アカシカ|Rothirsch|ciervo común
Mammalia Artiodactyla Cervidae Capreolus|Capreolus capreolus|roe deer|ノロジカ|Reh|corzo
Mammalia Artiodactyla Bovidae Rupicapra|Rupicapra rupicapra|chamois|シャモア|Gämse|rebeco
Mammalia Artiodactyla Suidae Sus|Sus scrofa|wild boar|イノシシ|Wildschwein|jabalí
Mammalia Rodentia Sciuridae Marmota|Marmota marmota|Alpine marmot|アルプスマーモット|Alpenmurmeltier|marmota alpina
Mammalia Lagomorpha Leporidae Lepus|Lepus europaeus|brown hare|ヤブノウサギ|Feldhase|liebre europea
Aves Passeriformes Turdidae Turdus|Turdus merula|common blackbird|クロウタドリ|Amsel|mirlo común
Aves Passeriformes Muscicapidae Erithacus|Erithacus rubecula|European robin|ヨーロッパコマドリ|Rotkehlchen|petirrojo europeo
Aves Passeriformes Paridae Parus|Parus major|great tit|ヨーロッパシジュウカラ|Kohlmeise|carbonero común
Aves Strigiformes Strigidae Strix|Strix aluco|tawny owl|モリフクロウ|Waldkauz|cárabo común
Aves Strigiformes Strigidae Bubo|Bubo bubo|Eurasian eagle-owl|ワシミミズク|Uhu|búho real
Aves Accipitriformes Accipitridae Aquila|Aquila chrysaetos|golden eagle|イヌワシ|Steinadler|águila real
Aves Piciformes Picidae Picus|Picus viridis|green woodpecker|ヨーロッパアオゲラ|Grünspecht|pito real
Aves Gruiformes Gruidae Grus|Grus grus|common crane|クロヅル|Kranich|grulla común
"""
"""Class, order, family and genus | species | its names in English, Japanese, German and Spanish."""

PHOTO_WH, UNKNOWN, UNKNOWNS = (640, 480), 1000, 24

LANGUAGES = ("en", "ja", "de", "es")


def species() -> list[str]:
    """The species in the order of their pictures."""
    return [line.split("|")[1] for line in SPECIES.strip().splitlines()]


def common_name(taxon: str) -> str:
    """What a species is called in English."""
    return SPECIES.strip().splitlines()[species().index(taxon)].split("|")[2]


def picture_of(taxon: str, size_wh: tuple[int, int] = (320, 240)) -> bytes:
    """The one picture of a species, as the bytes of a PNG."""
    file = io.BytesIO()
    synthetic_picture(species().index(taxon), size_wh).save(file, "PNG")
    return file.getvalue()


def picture_of_nothing_known(seed: int = 5) -> bytes:
    """A picture of none of the species, as the bytes of a PNG."""
    file = io.BytesIO()
    synthetic_picture(UNKNOWN + seed).save(file, "PNG")
    return file.getvalue()


def write_photos(folder: Path) -> list[Path]:
    """A camera's pictures: one of each species, then as many that nobody can name for sure, a quarter of an hour apart, with the place in their EXIF."""
    folder.mkdir(parents=True)
    written = []
    pictures = [synthetic_picture(seed, PHOTO_WH) for seed in range(len(species()))] + [synthetic_picture(UNKNOWN + seed, PHOTO_WH) for seed in range(UNKNOWNS)]
    for number, picture in enumerate(pictures):
        exif = PIL.Image.Exif()
        exif.get_ifd(PIL.ExifTags.IFD.Exif)[PIL.ExifTags.Base.DateTimeOriginal] = f"2025:06:{1 + number // 8:02} {5 + 2 * (number % 8):02}:{number:02}:00"
        exif[PIL.ExifTags.IFD.GPSInfo] = {1: "N", 2: (46.0, 30.0, 0.0), 3: "E", 4: (9.0, 45.0, 0.0)}
        written.append(folder / f"IMG_{number:04}.jpg")
        picture.save(written[-1], "JPEG", quality=95, exif=exif)
    return written


def build_world(home: Path, scratch: Path) -> Path:
    """An index `starter` in a user's home over these species, with its encoder inside; gives the home."""
    model = write_model_folder(scratch / "model")
    encoder = open_encoder(model, device="cpu", precision="fp32")
    vectors = encoder.encode_images([synthetic_picture(seed) for seed in range(len(species()))])  # (n, d)
    folder = home / "data" / "index" / "starter"
    folder.parent.mkdir(parents=True)
    build_from_vectors(
        folder, Taxonomy.from_table(_table()), vectors, encoder, recipe=TextRecipe(templates=BARE_TEMPLATE), encoder_folder=model, further=_names()
    )
    return home


def _table() -> pa.Table:
    rows = []
    for line in SPECIES.strip().splitlines():
        above, name, common, *_ = line.split("|")
        rows.append(dict(zip((*RANKS, "common_name"), ["Animalia", "Chordata", *above.split(), name, common], strict=True)))
    return pa.Table.from_pylist(rows)


def _names() -> pa.Table:
    told = [
        {"row": row, "rank": "species", "name": name, "kind": "vernacular", "language": language, "authorship": None, "taxon_key": None}
        for row, line in enumerate(SPECIES.strip().splitlines())
        for language, name in zip(LANGUAGES, line.split("|")[2:], strict=True)
    ]
    return pa.Table.from_pylist(told)
