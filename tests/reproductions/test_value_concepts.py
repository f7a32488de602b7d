"""The texts of the reproduction on value concepts are whole, and its small form runs on a built-in model."""

import json
import sys

import pytest
import torch
from reproductions.value_concepts import run

FILES = [(concept, language) for concept in run.CONCEPTS for language in run.LANGUAGES]


@pytest.mark.parametrize(("concept", "language"), FILES)
def test_every_language_has_sixty_pairs_of_texts_of_its_own(concept, language):
    pairs = run.load_pairs(concept, language)
    texts = [text for pair in pairs for text in pair]
    assert len(pairs) == 60
    assert all(text == text.strip() and len(text) > 4 for text in texts)
    assert all(positive != negative for positive, negative in pairs)
    assert len({positive for positive, _ in pairs}) == 60, "no pair repeats"
    others = {
        text for other in run.LANGUAGES if other != language for pair in run.load_pairs(concept, other) for text in pair
    }
    assert not set(texts) & others, "translated, not copied"


def test_a_planted_concept_is_shared_by_languages_that_have_it_and_by_no_other():
    """Two languages share a direction, the third has noise: recognition, transfer and cosines say so."""
    generator = torch.Generator().manual_seed(0)
    concept = torch.nn.functional.normalize(torch.randn(40, generator=generator), dim=0)
    states = {}
    for language, strength in (("a", 6.0), ("b", 6.0), ("c", 0.0)):
        positive, negative = (torch.randn(2, 60, 40, generator=generator) for _ in range(2))
        states[language] = (positive + strength * concept, negative)
    found = run.compare_languages(states)
    told = found["told_apart"]
    assert told["a to a"]["value"] >= 0.9
    assert told["a to b"]["low"] > 0.5
    assert told["c to c"]["low"] < 0.5 < told["c to c"]["high"]
    cosines = found["cosines"]
    assert cosines["a, b"]["cosine"] > max(0.8, cosines["a, b"]["shuffled_95"])
    assert cosines["a, c"]["cosine"] < 0.5
    assert all(0.3 < share < 0.7 for share in found["shuffled"].values())


def test_the_small_form_runs_and_goes_on(tmp_path, monkeypatch):
    out = tmp_path / "results.json"
    arguments = ["run.py", "testbed:aligned", "--out", str(out), "--pairs", "12", "--languages", "en", "de"]
    monkeypatch.setattr(sys, "argv", [*arguments, "--concepts", "harmfulness"])
    run.main()
    found = json.loads(out.read_text())["harmfulness"]
    assert set(found["told_apart"]) == {"en to en", "en to de", "de to en", "de to de"}
    before = out.stat().st_mtime_ns
    run.main()
    assert out.stat().st_mtime_ns == before


def test_the_page_is_that_of_the_committed_results(tmp_path, monkeypatch):
    from reproductions.value_concepts import page

    committed = page.PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    page.main()
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == committed
