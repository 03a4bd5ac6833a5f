"""The detectors that slides can be analysed with."""

from fastapi import APIRouter

from service.api.dependencies import ContextDep
from service.api.schemas import DetectorList, detector_summary
from service.api.version import PREFIX

router = APIRouter(prefix=f"{PREFIX}/detectors", tags=["detectors"])


@router.get("", summary="List detectors")
def list_all(context: ContextDep) -> DetectorList:
    """Names, digests and classes of all detectors, shipped and configured."""
    return DetectorList(detectors=[detector_summary(info) for info in context.catalogue.infos()])
