"""Fields that a detector was trained on are recognised, whichever folds were excluded."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.bundle.provenance import belongs_to, learned_from
from models.data.coco import FieldSet, read_coco
from tests.models.small_training import write_fields


@pytest.fixture
def fields(tmp_path: Path) -> FieldSet:
    return read_coco(write_fields(tmp_path / "data", num_fields=6, num_folds=3))


def facts(
    learned: FieldSet, held_out: int | None, unused: tuple[int, ...] = ()
) -> dict[str, object]:
    return {
        "labels_sha256": learned.digest(),
        "fold_held_out": held_out,
        "unused_folds": list(unused),
    }


def test_the_held_out_fold_was_not_learned_from_but_the_others_were(fields: FieldSet) -> None:
    training = facts(fields.without_fold(1), 1)
    assert not learned_from(training, fields, 1)
    assert learned_from(training, fields, 0)
    assert learned_from(training, fields, None)


def test_an_unused_fold_was_not_learned_from_either(fields: FieldSet) -> None:
    training = facts(fields.without_fold(1).without_fold(2), 1, (2,))
    assert [learned_from(training, fields, fold) for fold in (0, 1, 2)] == [True, False, False]


def test_a_network_without_excluded_folds_learned_from_all_fields(fields: FieldSet) -> None:
    assert all(learned_from(facts(fields, None), fields, fold) for fold in (None, 0, 1, 2))


def test_a_single_member_that_learned_from_the_fold_is_enough(fields: FieldSet) -> None:
    members = [facts(fields.without_fold(0), 0), facts(fields.without_fold(1), 1)]
    assert learned_from({"members": members}, fields, 0)
    assert learned_from({"members": members[:1]}, fields, 0) is False
    assert learned_from({"members": [{"members": members}]}, fields, 0)


def test_other_data_were_not_learned_from(fields: FieldSet) -> None:
    assert learned_from(facts(fields.without_fold(0), None), fields, None) is False
    assert learned_from(facts(fields, 7), fields, None) is False


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"members": 5},
        {"members": ["x"]},
        {"members": [{}]},
        {"labels_sha256": 3},
        {"labels_sha256": "0", "unused_folds": 3},
    ],
)
def test_training_data_that_are_not_stated_are_unknown(
    training: dict[str, object], fields: FieldSet
) -> None:
    assert learned_from(training, fields, None) is None


def test_the_digest_tells_labels_and_scale_apart(fields: FieldSet) -> None:
    first = fields.fields[0]
    for change in ({"mpp": 0.4}, {"label": 1 - first.label}):
        changed = replace(fields, fields=(replace(first, **change), *fields.fields[1:]))
        assert changed.digest() != fields.digest()


def test_data_of_the_held_out_fold_alone_were_not_learned_from(fields: FieldSet) -> None:
    assert not learned_from(facts(fields.without_fold(1), 1), fields.only_fold(1), None)


def test_a_bundle_belongs_to_the_data_whose_folds_its_networks_excluded(
    fields: FieldSet,
) -> None:
    first, second = facts(fields.without_fold(1), 1), facts(fields.without_fold(2), 2)
    assert belongs_to(first, fields)
    assert belongs_to({"members": [first, second]}, fields)
    assert belongs_to(first, fields.without_fold(0)) is False
    assert belongs_to({"members": [first, {}, facts(fields.without_fold(0), 1)]}, fields) is False
    assert belongs_to({"members": [first, {}]}, fields) is None
    assert belongs_to({}, fields) is None
