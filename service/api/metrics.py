"""Prometheus metrics: of requests, counted here, and of analyses, read from the database.

Owns names and labels; no label holds a slide's id.
"""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from service.storage.results import Slides
from service.storage.tallies import Tallies
from service.storage.workers import Workers

DURATIONS_S = (1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0)
WORKER_SILENCE_S = 10.0


class Metrics:
    """The metrics of one server."""

    def __init__(self, slides: Slides, tallies: Tallies, workers: Workers) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(AnalysisCollector(slides, tallies, workers))
        self.requests = Histogram(
            "cytolibra_http_request_duration_seconds",
            "Time from a request to the end of its response.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.uploaded = Counter(
            "cytolibra_uploaded_bytes_total",
            "Bytes of slides received, accepted or not.",
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class AnalysisCollector(Collector):
    """Metrics of slides and analyses, which the worker stores in the database."""

    def __init__(self, slides: Slides, tallies: Tallies, workers: Workers) -> None:
        self._slides = slides
        self._tallies = tallies
        self._workers = workers

    def describe(self) -> Iterator[Metric]:
        """No metrics, so that registering does not query the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        slides = GaugeMetricFamily("cytolibra_slides", "Slides stored.", labels=("status",))
        for status, count in self._slides.count_by_status().items():
            slides.add_metric((status.value,), count)
        yield slides
        alive = self._workers.count_alive(WORKER_SILENCE_S)
        yield GaugeMetricFamily("cytolibra_workers", "Workers alive.", value=alive)
        yield from self._analyses()

    def _analyses(self) -> Iterator[Metric]:
        labels = ("detector", "outcome")
        tiles = CounterMetricFamily("cytolibra_tiles", "Tiles analysed.", labels=labels)
        cells = CounterMetricFamily("cytolibra_cells", "Cells detected.", labels=labels)
        time = HistogramMetricFamily(
            "cytolibra_analysis_duration_seconds",
            "Time from a slide's start to its end.",
            labels=labels,
        )
        for tally in self._tallies.all(DURATIONS_S):
            values = (tally.detector, tally.outcome.value)
            tiles.add_metric(values, tally.tiles)
            cells.add_metric(values, tally.cells)
            limits = [str(limit) for limit in DURATIONS_S] + ["+Inf"]
            buckets = list(zip(limits, [*tally.within, tally.analyses], strict=True))
            time.add_metric(values, buckets, tally.duration_s)
        yield from (tiles, cells, time)
