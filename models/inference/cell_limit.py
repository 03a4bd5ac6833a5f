"""How many cells a tile may give: far more than any preparation holds.

The limit is stated per area, so that it is the same limit for tiles of every size.
"""

import math

#: Nuclei of 8 µm lying side by side, without any cytoplasm: fifteen times the most crowded field of
#: CRIC, which has 93 cells on 0.069 mm². Only a detector that takes texture for cells comes here.
MAX_CELLS_PER_MM2 = 20_000


def limit_cells(width_px: int, height_px: int, mpp: float) -> int:
    """The most cells that are kept of an area, the best by score.

    Args:
        width_px, height_px: of the area.
        mpp: µm per such px.
    """
    area_mm2 = width_px * height_px * mpp**2 * 1e-6
    return max(1, math.ceil(area_mm2 * MAX_CELLS_PER_MM2))
