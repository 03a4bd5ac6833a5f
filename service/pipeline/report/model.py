"""The report of a slide: one typed model, from which JSON and every later format are made.

Owns names, units and limits of the fields; what fills them is in the files beside it. Within one
`format` fields are only added, and readers ignore those that they do not know.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.pipeline.types import Options, QualityFlag, SlideInfo

REPORT_FORMAT: Literal["cytolibra-report-2"] = "cytolibra-report-2"
DISCLAIMER = (
    "Research software. For review by a cytologist; not a diagnosis and not for clinical decisions "
    "by itself."
)

#: What `category` is a word for.
CategoryCode = Literal["abnormal", "none-supported", "no-cells"]
#: Why a slide is or is not adequate.
AdequacyReason = Literal[
    "abnormal-category",
    "enough-cells",
    "enough-cells-suspicious",
    "too-few-cells",
    "too-few-cells-suspicious",
    "mostly-not-read",
    "no-cells",
]
Unit = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
AreaMm2 = Annotated[float, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Adequacy(_Part):
    """Whether enough cells were counted, and why it is taken for enough or not.

    An estimate of the number alone (Bethesda 2014, liquid-based: about 5,000 squamous cells; any
    abnormal cell makes a specimen satisfactory). Whether cells are well preserved is not judged.
    """

    num_squamous_cells: Count = Field(description="Detections of any class.")
    minimum: Count = Field(description="How many are asked for.")
    adequate: bool
    reason: AdequacyReason = Field(description="Why; a stable code.")
    reason_text: str = Field(description="The same in words.")
    tissue_area_mm2: AreaMm2 = Field(description="Where cells were looked for.")
    unreadable_area_mm2: AreaMm2 = Field(description="Of it, area of tiles that cannot be read.")


class SuspiciousCell(_Part):
    """One cell to look at."""

    id: UUID | None = Field(description="As in the annotations; null where none was kept.")
    bbox_xyxy: tuple[float, float, float, float] = Field(
        description="x1, y1, x2, y2 in level-0 px, origin top left of the slide."
    )
    class_name: str
    score: Unit
    class_scores: dict[str, Unit] | None = Field(
        description="The score of every class; null where they were not kept."
    )


class SuspiciousClass(_Part):
    """Cells of one abnormal class that is worse than the category."""

    class_name: str
    count: int = Field(ge=1, description="All of them.")
    cells: tuple[SuspiciousCell, ...] = Field(
        description="The 20 of the highest score at most, sorted by descending score."
    )


class DetectorFacts(_Part):
    """What found the cells."""

    name: str
    digest: str = Field(description='"sha256:" and 64 hex digits over its weights and settings.')
    engine: str
    score_thresholds: tuple[float, ...] = Field(description="One per class, in label order.")
    merge_iou: float = Field(description="Boxes that overlap by more are one cell.")


class TilePlanFacts(_Part):
    """How the slide was cut for reading."""

    num_tiles: Count
    tile_size_px: int = Field(description="Side of a tile, in px of the detector.")
    overlap_px: int = Field(description="Of neighbouring tiles, in px of the detector.")
    mpp: float = Field(description="µm per px that the detector asks for.")
    read_mpp: float = Field(description="µm per px that tiles were read at.")
    level: int = Field(description="Of the pyramid, that tiles were read from.")
    downsample: float = Field(description="Level-0 px per px of the detector.")


class UnreadableTiles(_Part):
    """Tiles that could not be read."""

    num_tiles: Count
    fraction: Unit = Field(description="Of all planned tiles.")


class AreaNotInFile(_Part):
    """What the file does not hold at its full resolution."""

    area_mm2: AreaMm2 = Field(default=0.0, description="All of it; glass is often left out.")
    with_tissue_area_mm2: AreaMm2 = Field(
        default=0.0,
        description="Of it, where another level shows tissue; its tiles count as unreadable.",
    )


class Provenance(_Part):
    """Everything that the result depends on."""

    detector: DetectorFacts
    code_version: str
    settings: Options
    slide: SlideInfo
    slide_sha256: str | None = Field(
        default=None,
        description="SHA-256 of the slide's file, or of its files' digests; null if not taken.",
    )
    tile_plan: TilePlanFacts
    unreadable: UnreadableTiles
    not_in_file: AreaNotInFile = AreaNotInFile()
    times_s: dict[str, float] = Field(description="Seconds by step.")


class SlideReport(_Part):
    """The result of one slide; `report.json` is this.

    What was counted is `counts` and `num_cells`; everything else is derived from it and says how
    far it can be relied on.
    """

    format: Literal["cytolibra-report-2"] = REPORT_FORMAT
    counts: dict[str, Count] = Field(description="Cells by class, every class of the detector.")
    num_cells: Count = Field(description="Their sum.")
    abnormality_score: Unit | None = Field(
        description="Higher is more abnormal; null where no cell was seen. Formula: docs/score.md."
    )
    category: str = Field(
        description="The most severe class with enough evidence, else "
        '"no abnormal category supported", which is not a negative result, or "no cells seen".'
    )
    category_code: CategoryCode = Field(description="Which of the three `category` is.")
    adequacy: Adequacy
    suspicious: tuple[SuspiciousClass, ...] = Field(
        description="Cells of classes worse than the category, with too little evidence to name "
        "it: for review, most severe class first."
    )
    quality: tuple[QualityFlag, ...] = Field(description="What limits this result.")
    disclaimer: str
    provenance: Provenance
