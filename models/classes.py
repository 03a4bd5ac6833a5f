"""The Bethesda classes of cervical cytology: order, colours, severity.

Detectors may be trained on any class list; this one is that of the shipped detectors and phantoms.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CellClass:
    """One class of a detector.

    Attributes:
        name: as it appears in reports and annotations.
        color: (red, green, blue), each 0-255, for viewers.
        severity: 0 for negative; higher is more severe. Classes of one detector may share a value.
    """

    name: str
    color: tuple[int, int, int]
    severity: int

    @property
    def is_abnormal(self) -> bool:
        """True for every class that is not negative."""
        return self.severity > 0


#: Order of labels 0..5; severity follows the Bethesda System 2014 from negative to carcinoma.
BETHESDA: tuple[CellClass, ...] = (
    CellClass("NILM", (46, 125, 50), 0),
    CellClass("ASC-US", (251, 192, 45), 1),
    CellClass("LSIL", (245, 124, 0), 2),
    CellClass("ASC-H", (216, 67, 21), 3),
    CellClass("HSIL", (198, 40, 40), 4),
    CellClass("SCC", (106, 27, 154), 5),
)
