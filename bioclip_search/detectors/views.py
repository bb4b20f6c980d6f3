"""Several looks at one picture, and what they come to: test-time augmentation, and a second opinion of the same detector.

Pure but for the detector that is asked; which looks a detector takes is left to it (`organism`), whether they are worth their time to a sweep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from PIL import Image

from bioclip_search.detectors.boxes import Box, Detection, box_iou


@dataclass(frozen=True, eq=False)
class Mirrored:
    """A detector that looks at the mirror image of each picture and tells the boxes where they stand: what it finds both ways is surer."""

    detector: object

    @property
    def name(self) -> str:
        return f"{self.detector.name}, mirrored"

    @property
    def fingerprint(self) -> str:
        return sha256(f"mirrored {self.detector.fingerprint}".encode()).hexdigest()

    def detect(self, pictures: Sequence[Image.Image], min_confidence: float) -> list[list[Detection]]:
        """As `Detector.detect`."""
        found = self.detector.detect([picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in pictures], min_confidence)
        back = [[mirrored(one, picture.width) for one in several] for several, picture in zip(found, pictures, strict=True)]
        return [sorted(several, key=lambda one: (-one.confidence, one.box_xyxy, one.category)) for several in back]


def mirrored(one: Detection, width_px: float) -> Detection:
    """The find in the mirror image of its picture.

    >>> mirrored(Detection((10, 0, 30, 5), 0.9, "organism"), 100).box_xyxy
    (70, 0, 90, 5)
    """
    left, top, right, bottom = one.box_xyxy
    return replace(one, box_xyxy=(width_px - right, top, width_px - left, bottom))


def merged(looks: Sequence[Sequence[Detection]], iou: float) -> list[Detection]:
    """The finds of several looks at one picture as one, most confident first, ties by box.

    Weighted boxes (Solovyev, Wang and Gabruseva: Weighted boxes fusion, Image and Vision Computing 107, 2021), in short:

    1. Gone through by confidence, a find joins the first group of its category whose surest box it overlaps by more than `iou`,
       or founds one. A second find of one look in a group is a double, and dropped.
    2. A group's box is the mean of its boxes, weighted by their confidences.
    3. Its confidence is their sum over the number of looks: what only one look sees is doubted.
    """
    groups: list[dict[int, Detection]] = []
    told = [(one, look) for look, finds in enumerate(looks) for one in finds]
    for one, look in sorted(told, key=lambda pair: (-pair[0].confidence, pair[0].box_xyxy, pair[0].category, pair[1])):
        group = next((group for group in groups if _leads(group, one, iou)), None)
        if group is None:
            groups.append({look: one})
        else:
            group.setdefault(look, one)
    found = [_one_of(list(group.values()), len(looks)) for group in groups]
    return sorted(found, key=lambda one: (-one.confidence, one.box_xyxy, one.category))


def _leads(group: dict[int, Detection], one: Detection, iou: float) -> bool:
    first = next(iter(group.values()))
    return first.category == one.category and box_iou(first.box_xyxy, one.box_xyxy) > iou


def _one_of(finds: Sequence[Detection], looks: int) -> Detection:
    weight = sum(one.confidence for one in finds)
    box: Box = tuple(sum(one.confidence * one.box_xyxy[edge] for one in finds) / weight for edge in range(4)) if weight > 0 else finds[0].box_xyxy
    return Detection(box, weight / looks, finds[0].category)
