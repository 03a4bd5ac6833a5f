"""Whether a detector was trained on the fields that it is to be evaluated on."""

from typing import Any

from models.data.coco import FieldSet


def learned_from(training: dict[str, Any], fields: FieldSet, fold: int | None) -> bool | None:
    """Whether any network of a bundle was trained on fields of the fold.

    Fields are recognised by the digest in the training facts (`FieldSet.digest`); another selection
    or copy of the same images is not recognised.

    Args:
        training: of the bundle's model.json; not trusted.
        fields: the whole data set.
        fold: to be evaluated on; None for all fields.

    Returns:
        True, False, or None where a network of the bundle does not state its training data.
    """
    members = training.get("members")
    if isinstance(members, list) and members:
        answers = [
            learned_from(member, fields, fold) if isinstance(member, dict) else None
            for member in members
        ]
        return True if True in answers else None if None in answers else False
    digest, excluded_folds = _read_facts(training)
    if digest is None:
        return None
    if fold is not None and fold in excluded_folds:
        return False
    return digest == _digest_without(fields, excluded_folds)


def belongs_to(training: dict[str, Any], fields: FieldSet) -> bool | None:
    """Whether every network of a bundle was trained on these fields without its excluded folds.

    Only then does a fold number identify fields that the network was not trained on.

    Args:
        training: of the bundle's model.json; not trusted.
        fields: the whole data set.

    Returns:
        True, False, or None where a network of the bundle does not state its training data.
    """
    members = training.get("members")
    if isinstance(members, list) and members:
        answers = [
            belongs_to(member, fields) if isinstance(member, dict) else None for member in members
        ]
        return False if False in answers else None if None in answers else True
    digest, excluded_folds = _read_facts(training)
    return None if digest is None else digest == _digest_without(fields, excluded_folds)


def _read_facts(training: dict[str, Any]) -> tuple[str | None, list[int]]:
    """The digest of a network's training data, None if not stated, and its excluded folds."""
    digest, held_out = training.get("labels_sha256"), training.get("fold_held_out")
    unused_folds = training.get("unused_folds") or []
    if not isinstance(digest, str) or not isinstance(unused_folds, list):
        return None, []
    return digest, [fold for fold in (held_out, *unused_folds) if isinstance(fold, int)]


def _digest_without(fields: FieldSet, folds: list[int]) -> str | None:
    """Digest of the fields outside the folds; None where a fold is missing or nothing is left."""
    for fold in folds:
        present = {field.fold for field in fields.fields}
        if fold not in present or present == {fold}:
            return None
        fields = fields.without_fold(fold)
    return fields.digest()
