"""What an evaluation does not record of its origin is named."""

import pytest

from holdfast.evaluate.provenance import COMPARED, NEEDED, require_alike, require_provenance, warning_of_provenance
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


@pytest.mark.parametrize("fingerprint", [None, True, "xyz", "a" * 63])
def test_what_is_no_fingerprint_is_not_taken_for_one(fingerprint):
    made_by = {**SETTINGS, "model": {"name": "./mine", "fingerprint": fingerprint}}
    with pytest.raises(ValueError, match="does not record a whole fingerprint of its model, so a strict gate"):
        require_provenance(made_by, "'a.json'")


@pytest.mark.parametrize("missing", COMPARED)
def test_an_entry_that_one_side_lacks_is_named_and_one_that_both_lack_is_not_asked_for(missing):
    made_by = {**SETTINGS, "rendering": {"harmful": "h"}, "responses": {"end_ids": [2]}, "coherence": {"rules": "c"}}
    lacks = {name: entry for name, entry in made_by.items() if name != missing}
    for pair in ((made_by, lacks), (lacks, made_by)):
        name = "b.json" if pair[1] is lacks else "a.json"
        with pytest.raises(ValueError, match=f"^{name} does not record {COMPARED[missing]}, and the other evaluation"):
            require_alike(pair, ("a.json", "b.json"))
    require_alike((lacks, lacks), ("a.json", "b.json"))
    require_alike((made_by, made_by), ("a.json", "b.json"))


def test_a_served_model_has_entries_of_its_own():
    made_by = {**SETTINGS, "rendering": {"harmful": "h"}, "responses": {"end_ids": [2]}}
    require_alike((made_by, {**SETTINGS, "served": {"address": "a"}}), ("a.json", "b.json"))
