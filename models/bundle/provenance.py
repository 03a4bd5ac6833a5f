"""Whether a detector learned from the very fields that it is to be judged on."""

from typing import Any

from models.data.coco import FieldSet


def learned_from(training: dict[str, Any], fields: FieldSet, fold: int | None) -> bool | None:
    """Whether a network of a bundle learned from any field of the fold.

    Fields are recognised by the digest that training noted (`FieldSet.digest`); another selection
    or copy of the same images is not.

    Args:
        training: of the bundle's model.json, which may be a stranger's.
        fields: a whole data set.
        fold: to be judged on; None: all of them.

    Returns:
        None where a network of the bundle does not say what it learned from.
    """
    members = training.get("members")
    if isinstance(members, list) and members:
        each = [
            learned_from(one, fields, fold) if isinstance(one, dict) else None for one in members
        ]
        return True if True in each else None if None in each else False
    digest, kept_away = _read_facts(training)
    if digest is None:
        return None
    if fold is not None and fold in kept_away:
        return False
    return digest == _digest_without(fields, kept_away)


def belongs_to(training: dict[str, Any], fields: FieldSet) -> bool | None:
    """Whether every network of a bundle learned from these fields without the folds it was denied.

    Only then does the number of a fold say what a network has not seen.

    Args:
        training: of the bundle's model.json, which may be a stranger's.
        fields: a whole data set.

    Returns:
        None where a network of the bundle does not say what it learned from.
    """
    members = training.get("members")
    if isinstance(members, list) and members:
        each = [belongs_to(one, fields) if isinstance(one, dict) else None for one in members]
        return False if False in each else None if None in each else True
    digest, kept_away = _read_facts(training)
    return None if digest is None else digest == _digest_without(fields, kept_away)


def _read_facts(training: dict[str, Any]) -> tuple[str | None, list[int]]:
    """The digest of what a network learned from, if it says so, and the folds it was denied."""
    digest, held = training.get("labels_sha256"), training.get("fold_held_out")
    unused = training.get("unused_folds") or []
    if not isinstance(digest, str) or not isinstance(unused, list):
        return None, []
    return digest, [one for one in (held, *unused) if isinstance(one, int)]


def _digest_without(fields: FieldSet, folds: list[int]) -> str | None:
    """None where nothing is left, or a fold is not there: other data."""
    for fold in folds:
        present = {one.fold for one in fields.fields}
        if fold not in present or present == {fold}:
            return None
        fields = fields.without_fold(fold)
    return fields.digest()
