"""Several networks of one kind as one detector: the mean of what their heads say.

Networks trained with other seeds or folds err on different cells; their mean errs on fewer. What is
shipped as one bundle is averaged before boxes are read, so it costs one more forward pass a member
and nothing else.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.registry import MODELS
from torch import Tensor, nn

#: Outputs of one head: a list of levels for each kind of output, each (B, ., h, w).
Outputs = tuple[list[Tensor], ...]
#: Features of one member: its neck's levels.
Features = tuple[Tensor, ...]


class MeanHead(nn.Module):
    """The members' heads as one: logits and box outputs are averaged, place by place.

    The mean of logits is the geometric mean of the odds. Boxes are read by the first head; all
    heads must therefore be of one type, on the same strides.

    Args:
        heads: one per member.

    Raises:
        ValueError: the heads differ in type, classes or strides.
    """

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        kinds = {_kind(head) for head in heads}
        if len(kinds) != 1:
            raise ValueError(
                f"the members of an ensemble must have heads of one kind, not {sorted(kinds)}"
            )
        # Not registered: the heads' weights belong to the members.
        self._heads = tuple(heads)
        first: Any = heads[0]
        self.num_classes = first.num_classes
        self.prior_generator = first.prior_generator

    def forward(self, features: Sequence[Features]) -> Outputs:
        """From every member's features to the mean of their heads' outputs."""
        by_member = [head(levels) for head, levels in zip(self._heads, features, strict=True)]
        return tuple(
            [sum(levels[1:], levels[0]) / len(levels) for levels in zip(*outputs, strict=True)]
            for outputs in zip(*by_member, strict=True)
        )

    @property
    def first_head(self) -> nn.Module:
        """The one that reads boxes."""
        return self._heads[0]

    def predict_by_feat(self, *args: Any, **kwargs: Any) -> Any:
        """As the first head's."""
        first: Any = self._heads[0]
        return first.predict_by_feat(*args, **kwargs)


@MODELS.register_module()
class Ensemble(nn.Module):
    """Networks of one kind that look at the same tile, for inference.

    Args:
        members: descriptions of single-stage detectors.
        test_cfg: as of a single detector.

    Raises:
        ValueError: there are no members, or their heads differ.
    """

    def __init__(self, members: Sequence[dict[str, Any]], test_cfg: dict[str, Any]) -> None:
        super().__init__()
        if not members:
            raise ValueError("an ensemble needs at least one member")
        self.members = nn.ModuleList([MODELS.build(member) for member in members])
        heads: list[Any] = [member.bbox_head for member in self.members]
        self.bbox_head = MeanHead(heads)
        self.test_cfg = test_cfg

    def extract_feat(self, pixels: Tensor) -> tuple[Features, ...]:
        """Every member's features of (B, 3, H, W) normalised pixels."""
        members: Sequence[Any] = list(self.members)
        return tuple(member.extract_feat(pixels) for member in members)


def _kind(head: Any) -> str:
    return f"{type(head).__name__} of {head.num_classes} on {head.prior_generator.strides}"
