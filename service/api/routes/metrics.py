"""Prometheus metrics, under the version's prefix and at the root."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.dependencies import ContextDep
from service.api.documentation import media

router = APIRouter(tags=["operation"])


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: media("Text format.", text__plain='cytolibra_slides{status="done"} 12.0\n')},
)
def metrics(context: ContextDep) -> Response:
    """Request durations of this server; slides, tiles, cells and durations of all analyses."""
    return Response(context.metrics.text(), media_type=CONTENT_TYPE_LATEST)
