import pytest
import torch
from torch.nn import functional as F

from bioclip_search.train.batches import Batch
from bioclip_search.train.config import LossConfig
from bioclip_search.train.distil import Lesson, TeacherKnowledge, class_loss
from bioclip_search.train.losses import OUT, contrastive_loss
from bioclip_search.train.objective import Objective
from tests.train.conftest import TAXA

LABELS = [taxon for taxon, _ in TAXA]
NOISE = torch.Generator().manual_seed(0)
IMAGES, TEXTS = (F.normalize(torch.randn(n, 4, generator=NOISE), dim=1) for n in (3, 3 + 2 + 2 + 3))
"""Three pictures; three sentences, two names, the two classes of one teacher and the three of another."""

SCALE = torch.tensor(5.0)
TRUTH = torch.eye(3, dtype=torch.bool)
RELATED = torch.tensor([[False, True], [False, False], [False, False]])
LESSONS = tuple(Lesson(torch.zeros(3, 0), torch.rand(3, k, generator=NOISE), torch.zeros(0, 1)) for k in (2, 3))
BATCH = Batch(torch.zeros(0), torch.arange(3), torch.zeros(0, 1), TRUTH, TRUTH, RELATED, LESSONS)


def knowledge(class_weight: float) -> TeacherKnowledge:
    return TeacherKnowledge("t", None, torch.zeros(1, 1).numpy(), (LABELS[0],), class_weight=class_weight)


def objective(**settings: float) -> Objective:
    return Objective(LossConfig(**settings), LABELS, torch.ones(3, dtype=torch.bool), [knowledge(1.0), knowledge(0.5)], 4, 0, names_log_weight=0.7)


def test_each_term_reads_its_own_texts():
    terms = objective(contrastive=2.0, teacher_classes=3.0)(IMAGES, TEXTS, BATCH, SCALE)
    logits = SCALE * IMAGES @ TEXTS.T
    names = (logits[:, 3:5] + 0.7).masked_fill(RELATED, OUT)
    classes = class_loss(logits[:, 5:7], LESSONS[0].probabilities) + 0.5 * class_loss(logits[:, 7:], LESSONS[1].probabilities)
    assert set(terms) == {"contrastive", "teacher_classes"}
    assert terms["contrastive"].item() == pytest.approx(2 * contrastive_loss(logits[:, :3], TRUTH, TRUTH, names).item())
    assert terms["teacher_classes"].item() == pytest.approx(3 * classes.item())


def test_a_name_that_may_be_right_pushes_no_picture_away():
    free, bound = (objective()(IMAGES, TEXTS, BATCH._replace(is_related=related), SCALE)["contrastive"] for related in (RELATED, torch.zeros_like(RELATED)))
    assert free < bound


def test_what_has_no_weight_is_not_computed():
    made = objective(contrastive=0.0, anchors=1.0, teacher_classes=0.0)
    assert set(made(IMAGES, TEXTS, BATCH, SCALE)) == set(made.terms) == {"anchors"}
    assert objective(contrastive=1.0, teacher_classes=0.0).terms == ("contrastive",)


def test_the_terms_are_told_before_the_first_step():
    assert objective(anchors=1.0).terms == ("contrastive", "anchors", "teacher_classes")
