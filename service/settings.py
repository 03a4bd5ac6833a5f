"""Settings, frozen: read once, from arguments and `CYTOLIBRA_*` variables, and checked at start.

All other modules get settings as arguments.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.inference.devices import check_device
from service.errors import BundleError, ConfigError

PREFIX = "CYTOLIBRA_"
GIB = 1024**3
#: Of a path prefix: "" or e.g. "/lab/cells".
ROOT_PATH_PATTERN = r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"

#: First segments of the app's own paths. Under a prefix that begins with one, a path with the
#: prefix could not be told from a path without it.
OWN_SEGMENTS = ("v1", "docs", "healthz", "readyz", "metrics", "openapi.json")


def is_own_path(prefix: str) -> bool:
    """Whether a path prefix, e.g. "/v1/lab", begins with a path of the app."""
    return prefix.removeprefix("/").partition("/")[0] in OWN_SEGMENTS


def read_networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Networks from a comma-separated list of addresses and networks.

    Raises:
        ValueError: an item is neither an address nor a network.
    """
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


class Settings(BaseSettings):
    """Settings of a server or a worker.

    Attributes:
        data_dir: folder of slides, results and jobs.
        host, port: where the server listens; port 0 takes a free one.
        max_upload_bytes: a larger slide is refused with 413.
        min_free_bytes: left free on the disk; an upload that would eat into it gets 507.
        max_queue_length: number of queued slides; beyond that uploads get 503.
        detectors_dir: further detector bundles, one folder each, beside those shipped.
        with_worker: whether the server runs a worker beside it.
        engine, device: how detectors run; a device is auto, cpu, cuda, or cuda:N.
        batch_size: tiles per call of the detector.
        group_size: tiles per durable step; a killed worker repeats at most these.
        num_readers: threads that read tiles ahead of the detector.
        max_unreadable_fraction: of the planned tiles; above this a slide is refused.
        max_stalled_starts: a slide fails after the worker has crashed this often on it without
            finishing a group of tiles.
        worker_id: unique among the workers on one database, and the same after a restart.
        shutdown_timeout_s: how long open requests may take to end when the server stops.
        root_path: path prefix under which a reverse proxy publishes the server, e.g. "/lab", or "".
        trusted_proxies: addresses and networks of reverse proxies, separated by commas, whose
            X-Forwarded-Prefix, -Host, -Proto and Forwarded headers are trusted.
        log_level: least severe level that is logged.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    max_upload_bytes: int = Field(default=64 * GIB, gt=0)
    min_free_bytes: int = Field(default=GIB // 4, ge=0)
    max_queue_length: int = Field(default=1000, gt=0)
    detectors_dir: Path | None = None
    with_worker: bool = True
    engine: Literal["auto", "torch", "openvino"] = "auto"
    device: str = "auto"
    batch_size: int = Field(default=8, gt=0)
    group_size: int = Field(default=32, gt=0)
    num_readers: int = Field(default=2, gt=0)
    max_unreadable_fraction: float = Field(default=0.2, ge=0, le=1)
    max_stalled_starts: int = Field(default=3, gt=0)
    worker_id: str = Field(default="worker-1", min_length=1)
    shutdown_timeout_s: int = Field(default=3, gt=0)
    root_path: str = Field(default="", pattern=f"^{ROOT_PATH_PATTERN}$")
    trusted_proxies: str = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("root_path")
    @classmethod
    def _check_root_path(cls, prefix: str) -> str:
        if is_own_path(prefix):
            raise ValueError(
                f"the server's own paths begin with {', '.join(OWN_SEGMENTS)};"
                f" publish it under another prefix, e.g. /lab"
            )
        return prefix

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, text: str) -> str:
        read_networks(text)
        return text

    def as_environment(self) -> dict[str, str]:
        """Environment variables from which another process reads the same settings."""
        values = self.model_dump(mode="json", exclude_none=True)
        return {PREFIX + name.upper(): str(value) for name, value in values.items()}


def read_settings(**arguments: Any) -> Settings:
    """Settings from arguments that are not None, then from the environment, then the defaults.

    Raises:
        ConfigError: a value is missing or wrong; names the setting and how to set it.
    """
    chosen = {name: value for name, value in arguments.items() if value is not None}
    try:
        settings = Settings(**chosen)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise ConfigError(
            f"setting {name} = {first['input']!r}: {first['msg']}; "
            f"set it as an option or as {PREFIX}{name.upper()}"
        ) from error
    if settings.with_worker:
        _check_device(settings)
    if settings.detectors_dir is not None and not settings.detectors_dir.is_dir():
        raise ConfigError(
            f"setting detectors_dir = {settings.detectors_dir}: no such folder; create it or leave "
            f"{PREFIX}DETECTORS_DIR unset"
        )
    return settings.model_copy(update={"data_dir": settings.data_dir.resolve()})


def _check_device(settings: Settings) -> None:
    try:
        check_device(settings.engine, settings.device)
    except BundleError as error:
        raise ConfigError(
            f"setting device = {settings.device!r}: {error}; set {PREFIX}DEVICE"
        ) from error
