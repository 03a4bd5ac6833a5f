"""model.json: coefficients of the slide score of today and of before it had a second term."""

from typing import Any

import pytest
from pydantic import ValidationError

from models.bundle.description import BundleModel
from tests.models.small_network import make_model

SEVERE: dict[str, Any] = {
    "class_weights": (0.0, 1.0),
    "certainty_power": 4.0,
    "prior_total": 10.0,
    "intercept": 30.0,
    "slope": 4.0,
}


def with_score(**changes: Any) -> BundleModel:
    """A bundle's description with these coefficients besides its own."""
    content = make_model().model_dump()
    content["slide_score"] |= changes
    return BundleModel.model_validate(content)


def test_bundles_without_a_severe_term_keep_their_digests() -> None:
    model = make_model()
    written = model.model_dump(mode="json")["slide_score"]
    assert not {"severe", "certainty_power"} & set(written)
    assert with_score(severe=None, certainty_power=0.0).digest() == model.digest()


def test_a_severe_term_is_part_of_the_digest_and_of_the_detectors_coefficients() -> None:
    model = with_score(severe=SEVERE, certainty_power=2.0)
    assert model.digest() != make_model().digest()
    score = model.info("torch").slide_score
    assert score.certainty_power == 2.0
    assert score.severe is not None
    assert vars(score.severe) == SEVERE
    assert BundleModel.model_validate_json(model.model_dump_json()) == model


def test_a_severe_term_has_a_weight_for_every_class() -> None:
    with pytest.raises(ValidationError, match=r"severe.class_weights has 3 entries for 2 classes"):
        with_score(severe=SEVERE | {"class_weights": (0.0, 0.0, 1.0)})
