"""An ensemble: networks with alike heads run as a single detector on the mean of head outputs.

Networks trained with different seeds or folds err on different cells; their mean errs on fewer.
Outputs are averaged before boxes are decoded, so each member costs a forward pass and nothing else.
"""

from collections.abc import Sequence
from typing import Any

from mmdet.registry import MODELS
from torch import Tensor, nn

#: Outputs of a head: for each kind of output the list of its levels, (B, ., h, w).
Outputs = tuple[list[Tensor], ...]
#: Features of a member: its neck's levels.
Features = tuple[Tensor, ...]


class MeanHead(nn.Module):
    """The members' heads combined: logits and box outputs are averaged position by position.

    The mean of logits is the geometric mean of the odds. The first head decodes the boxes, so all
    heads must have the same type, classes and strides.

    Args:
        heads: of the members, in their order.

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
        """The mean of the heads' outputs, from every member's features."""
        by_member = [head(levels) for head, levels in zip(self._heads, features, strict=True)]
        return tuple(
            [sum(levels[1:], levels[0]) / len(levels) for levels in zip(*outputs, strict=True)]
            for outputs in zip(*by_member, strict=True)
        )

    @property
    def first_head(self) -> nn.Module:
        """The head that decodes boxes."""
        return self._heads[0]

    def predict_by_feat(self, *args: Any, **kwargs: Any) -> Any:
        """Boxes as the first head decodes them."""
        first: Any = self._heads[0]
        return first.predict_by_feat(*args, **kwargs)


@MODELS.register_module()
class Ensemble(nn.Module):
    """Networks with alike heads that run on the same tile, for inference only.

    Args:
        members: descriptions of single-stage detectors.
        test_cfg: as for a single detector.

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
