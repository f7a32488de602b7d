"""What an evaluation does not record of its origin is named."""

import pytest

from holdfast.evaluate.provenance import NEEDED, require_provenance, warning_of_provenance
from tests.evaluate.constructed import SETTINGS


def test_a_complete_provenance_brings_no_warning_also_without_a_judge():
    for made_by in (SETTINGS, {**SETTINGS, "judge": None}):
        assert warning_of_provenance(made_by, "'a.json'") is None
        require_provenance(made_by, "'a.json'")


@pytest.mark.parametrize("missing", NEEDED)
def test_each_missing_entry_is_named(missing):
    made_by = {name: entry for name, entry in SETTINGS.items() if name != missing}
    assert warning_of_provenance(made_by, "'a.json'").startswith(f"'a.json' does not record {NEEDED[missing]}, so")
    with pytest.raises(ValueError, match=f"^'a.json' does not record {NEEDED[missing]}, so a strict gate cannot check"):
        require_provenance(made_by, "'a.json'")


@pytest.mark.parametrize("model", [None, {}, "./mine", {"name": ""}])
def test_a_model_without_name_and_fingerprint_is_not_recorded(model):
    assert "does not record its model, so" in warning_of_provenance({**SETTINGS, "model": model}, "'a.json'")
