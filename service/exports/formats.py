"""The formats of annotations, and who writes each."""

from enum import StrEnum

from service.exports import coco, csv, geojson, ndjson


class Format(StrEnum):
    """A format of annotations."""

    GEOJSON = "geojson"
    NDJSON = "ndjson"
    COCO = "coco"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """For Content-Type."""
        return MEDIA_TYPES[self]

    @property
    def suffix(self) -> str:
        """Of a file in this format."""
        return "coco.json" if self is Format.COCO else self.value


MEDIA_TYPES = {
    Format.GEOJSON: geojson.MEDIA_TYPE,
    Format.NDJSON: ndjson.MEDIA_TYPE,
    Format.COCO: coco.MEDIA_TYPE,
    Format.CSV: csv.MEDIA_TYPE,
}
WRITERS = {
    Format.GEOJSON: geojson.write_geojson,
    Format.NDJSON: ndjson.write_ndjson,
    Format.COCO: coco.write_coco,
    Format.CSV: csv.write_csv,
}
