"""Configurations are complete, and what is wrong in one is named with its place."""

from pathlib import Path

import pytest

from models.errors import ConfigError
from models.training.config import find_config, read_config


def shipped() -> str:
    return find_config("fcos_lite0").read_text()


def test_a_shipped_configuration_is_found_by_name_or_path() -> None:
    path = find_config("fcos-lite0")
    assert find_config(str(path)) == path
    assert read_config(path).network["bbox_head"]["loss_cls"]["type"] == "EqlV2Loss"


def test_an_unknown_configuration_lists_the_shipped() -> None:
    with pytest.raises(ConfigError, match="fcos_lite0"):
        find_config("nothing")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = ", "epochz = ", r"train\.epoch"),
        ("batch_size = 4", "batch_size = 0", r"train\.batch_size"),
        ("mpp = 0.33", "mpp = -1", r"input\.mpp"),
        ("[train]", "[train", "cannot be read as TOML"),
        ("[augment]", "[augmentation]", "augment"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(shipped().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_config(path)


def test_single_values_can_be_replaced_and_are_checked() -> None:
    config = read_config(find_config("fcos_lite0"))
    assert config.with_training(seed=3, epochs=None).train.seed == 3
    assert config.with_training(seed=3).train.epochs == config.train.epochs
    with pytest.raises(ConfigError, match=r"train\.epochs"):
        config.with_training(epochs=0)
