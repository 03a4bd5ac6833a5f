"""Bundles are read as they were written; broken and hostile bundles are refused by name."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from models.bundle.description import read_model
from models.bundle.find import ZOO_DIR, find_bundle, list_detectors, read_info
from models.bundle.load import load_detector, load_network
from models.bundle.write import write_bundle
from models.errors import BundleError, UnknownDetectorError
from models.network.build import build_network
from tests.models.small_network import describe_model


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    model = describe_model()
    torch.manual_seed(0)
    network = build_network(model["network"])
    write_bundle(tmp_path / "small", model, network.state_dict(), "# small\n")
    return tmp_path / "small"


def edit(bundle: Path, **changes: Any) -> None:
    path = bundle / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_bundle_says_what_it_is_without_its_weights(bundle: Path) -> None:
    (bundle / "weights.safetensors").unlink()
    info = read_info(str(bundle))
    assert info.name == "small"
    assert [cell_class.name for cell_class in info.classes] == ["NILM", "HSIL"]
    assert (info.input.mpp, info.input.tile_size_px) == (0.5, 128)
    assert info.digest.startswith("sha256:")


def test_weights_come_back_bit_for_bit(bundle: Path) -> None:
    torch.manual_seed(0)
    expected = build_network(describe_model()["network"]).state_dict()
    detector = load_detector(str(bundle), engine="torch")
    loaded = detector._forward._graph.network.state_dict()  # type: ignore[attr-defined]
    for name, tensor in expected.items():
        assert torch.equal(loaded[name], tensor)


def test_kernels_in_16_bits_halve_the_file_and_load_as_float32(
    bundle: Path, tmp_path: Path
) -> None:
    model = describe_model()
    network = load_network(bundle, read_model(bundle))
    with torch.no_grad():
        network.bbox_head.conv_cls.weight[0, 0, 0, 0] = 1e6  # beyond float16
    write_bundle(tmp_path / "half", model, network.state_dict(), "# small\n", half=True)
    folders = (bundle, tmp_path / "half")
    sizes = [(folder / "weights.safetensors").stat().st_size for folder in folders]
    assert sizes[1] < 0.6 * sizes[0]
    half = load_network(tmp_path / "half", read_model(tmp_path / "half"))
    for name, tensor in half.state_dict().items():
        full = network.state_dict()[name]
        assert tensor.dtype == full.dtype
        torch.testing.assert_close(tensor, full, rtol=1e-3, atol=1e-6)


def test_the_digest_follows_every_change(bundle: Path) -> None:
    before = read_info(str(bundle)).digest
    edit(bundle, merge_iou=0.61)
    assert read_info(str(bundle)).digest != before


def test_detectors_are_found_by_name_in_the_extra_folder(bundle: Path) -> None:
    assert find_bundle("small", bundle.parent) == bundle
    assert "small" in [info.name for info in list_detectors(bundle.parent)]


def test_a_bare_name_is_never_a_folder_of_the_working_directory(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.parent)
    with pytest.raises(UnknownDetectorError, match=r"as \./FOLDER"):
        find_bundle("small")
    assert find_bundle("./small") == Path("small")
    (bundle.parent / "fast").mkdir()
    (bundle.parent / "fast" / "model.json").write_text("{")
    assert find_bundle("fast") == ZOO_DIR / "fast"


@pytest.mark.parametrize("name", ["nothing", "../small", "a/b", "", "."])
def test_an_unknown_name_lists_the_known(bundle: Path, name: str) -> None:
    with pytest.raises(UnknownDetectorError, match=r"known are .*small"):
        find_bundle(name, bundle.parent)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "format"),
        ({"score_thresholds": [0.5]}, "1 entries for 2 classes"),
        ({"merge_iou": 2}, "merge_iou"),
        ({"classes": []}, "classes"),
        ({"surprise": 1}, "surprise"),
        ({"input": {"mpp": -1}}, "input"),
        ({"name": "../x"}, "name"),
    ],
)
def test_a_wrong_value_is_named(bundle: Path, changes: dict[str, Any], message: str) -> None:
    edit(bundle, **changes)
    with pytest.raises(BundleError, match=message):
        read_model(bundle)


def test_model_json_that_is_no_json_is_named(bundle: Path) -> None:
    (bundle / "model.json").write_bytes(b"\x80\x04pickle")
    with pytest.raises(BundleError, match=r"model\.json"):
        read_model(bundle)


def test_other_weights_than_those_named_are_refused(bundle: Path) -> None:
    with (bundle / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(BundleError, match="sha256 differs"):
        load_detector(str(bundle))


def test_missing_weights_are_named(bundle: Path) -> None:
    (bundle / "weights.safetensors").unlink()
    with pytest.raises(BundleError, match=r"weights\.safetensors cannot be read"):
        load_detector(str(bundle))


def test_a_network_that_could_run_code_is_refused(bundle: Path, tmp_path: Path) -> None:
    network = describe_model()["network"]
    network["backbone"] = {"type": "subprocess.getoutput", "cmd": f"touch {tmp_path}/pwned"}
    edit(bundle, network=network)
    with pytest.raises(BundleError, match="not allowed"):
        load_detector(str(bundle))
    assert not (tmp_path / "pwned").exists()


def test_weights_that_do_not_fit_or_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = describe_model()
    weights = build_network(model["network"]).state_dict()
    name = "bbox_head.conv_cls.weight"
    wrong = weights | {name: torch.full_like(weights[name], float("nan"))}
    write_bundle(tmp_path / "nan", model, wrong, "")
    with pytest.raises(BundleError, match=f"{name} holds values that are not finite"):
        load_detector(str(tmp_path / "nan"))
    write_bundle(tmp_path / "half", model, {name: weights[name]}, "")
    with pytest.raises(BundleError, match="does not fit"):
        load_detector(str(tmp_path / "half"))


def test_a_network_too_large_for_its_weights_is_refused_before_it_takes_memory(
    bundle: Path,
) -> None:
    network = describe_model()["network"]
    network["neck"]["out_channels"] = network["bbox_head"]["in_channels"] = 1 << 20
    network["bbox_head"]["feat_channels"] = 1 << 20
    edit(bundle, network=network)
    with pytest.raises(BundleError, match="does not fit the network"):
        load_detector(str(bundle))


@pytest.mark.parametrize("kind", [torch.complex64, torch.int32, torch.bool])
def test_weights_of_another_kind_of_number_are_refused(kind: torch.dtype, tmp_path: Path) -> None:
    model = describe_model()
    weights = build_network(model["network"]).state_dict()
    name = "bbox_head.conv_cls.weight"
    write_bundle(tmp_path / "x", model, weights | {name: weights[name].to(kind)}, "")
    with pytest.raises(BundleError, match=f"does not fit .*{name} is {kind}"):
        load_detector(str(tmp_path / "x"))


def test_a_digest_does_not_change_with_fields_that_came_later(bundle: Path) -> None:
    content = json.loads((bundle / "model.json").read_text())
    assert "side_support" not in content
    before = read_info(str(bundle)).digest
    edit(bundle, side_support=0.0)
    assert read_info(str(bundle)).digest == before
    edit(bundle, side_support=0.5)
    assert read_info(str(bundle)).digest != before


def test_pickled_weights_are_never_read(bundle: Path) -> None:
    path = bundle / "weights.safetensors"
    torch.save({"x": torch.zeros(1)}, path)
    import hashlib

    edit(bundle, weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(BundleError, match="not a safetensors file"):
        load_detector(str(bundle))


def test_a_bundle_that_would_not_be_valid_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="would not be valid"):
        write_bundle(tmp_path / "x", describe_model(merge_iou=7.0), {"a": torch.zeros(1)}, "")
    assert list(tmp_path.iterdir()) == []


def test_weights_shared_between_levels_are_written_under_each_name(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    write_bundle(tmp_path / "x", describe_model(), {"a": shared, "b": shared}, "")
    stored = load_file(tmp_path / "x" / "weights.safetensors")
    assert torch.equal(stored["a"], shared)
    assert torch.equal(stored["b"], shared)


def test_a_bundle_replaces_the_one_that_is_there(bundle: Path) -> None:
    before = read_info(str(bundle)).digest
    (bundle / "reliability.png").touch()
    write_bundle(bundle, describe_model(merge_iou=0.7), {"a": torch.zeros(1)}, "new")
    assert read_info(str(bundle)).digest != before
    assert sorted(path.name for path in bundle.iterdir()) == [
        "card.md",
        "model.json",
        "weights.safetensors",
    ]
    assert [path.name for path in bundle.parent.iterdir()] == ["small"]


@pytest.mark.parametrize("name", ["checkpoint.pt", "model.json", "notes"])
def test_a_folder_with_other_files_is_not_replaced(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    (folder / "notes").mkdir(parents=True)
    (folder / name).mkdir(exist_ok=True)
    with pytest.raises(BundleError, match="is no bundle, it holds"):
        write_bundle(folder, describe_model(), {"a": torch.zeros(1)}, "")
    assert (folder / "notes").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_an_empty_folder_takes_a_bundle_and_a_file_does_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_bundle(tmp_path / "empty", describe_model(), {"a": torch.zeros(1)}, "")
    assert (tmp_path / "empty" / "model.json").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(BundleError, match="is a file"):
        write_bundle(tmp_path / "file", describe_model(), {"a": torch.zeros(1)}, "")


def test_the_old_bundle_stays_where_the_new_one_cannot_be_written(bundle: Path) -> None:
    before = read_info(str(bundle)).digest
    with pytest.raises(BundleError, match="would not be valid"):
        write_bundle(bundle, describe_model(merge_iou=7.0), {"a": torch.zeros(1)}, "")
    assert read_info(str(bundle)).digest == before


def test_reading_what_a_detector_is_imports_no_torch(bundle: Path) -> None:
    code = (
        "import sys; from models.bundle.find import read_info; "
        f"read_info({str(bundle)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
