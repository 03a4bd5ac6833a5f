"""Whether a detector learned from the very fields that it is to be judged on."""

from typing import Any

from models.data.coco import FieldSet


def learned_from(training: dict[str, Any], fields: FieldSet, fold: int | None) -> bool:
    """Whether a network of a bundle learned from any field of the fold.

    Fields are recognised by the digest of file names, boxes and labels that training noted; another
    selection or copy of the same images is not.

    Args:
        training: of the bundle's model.json.
        fields: a whole data set.
        fold: to be judged on; None: all of them.
    """
    for facts in training.get("members", [training]):
        kept_away = {facts.get("fold_held_out"), *facts.get("unused_folds", ())} - {None}
        learned = fields
        present = {one.fold for one in fields.fields}
        for other in kept_away & present:
            if present == {other}:
                return False
            learned = learned.without_fold(other)
            present.discard(other)
        if learned.digest() == facts.get("labels_sha256") and fold not in kept_away:
            return True
    return False
