import json
import re

import pytest

from holdfast.arms import ARMS, STAGES, arm_named, arms_of, help_on, looks, masks, usual_arms
from holdfast.select import SELECTORS
from tests.fresh import run_fresh

pytestmark = pytest.mark.xdist_group("toy_arm")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """What the package makes of an arm that one line adds."""
    return json.loads(run_fresh("tests.toy_arm", tmp_path_factory.mktemp("toy")))


def test_a_toy_arm_is_a_value_of_the_config_with_a_line_of_help(toy):
    assert toy["config"] == [["toy"], ["toy"]]
    assert [arms[-1] for arms in toy["left out"]] == ["toy", "toy"], "all arms, where none are named"
    assert toy["template"].count("#   - toy: a toy") == 2
    assert toy["template"].count('"toy"]') == 2


def test_a_toy_arm_has_its_files_and_its_mask_in_the_layout(toy):
    assert toy["files"] == ["enhance/toy/result.json", "enhance/toy/patch.safetensors"]
    assert toy["masks"] == ["top", "safety_only", "random", "bottom", "toy_mask"]


def test_a_toy_arm_is_a_piece_of_the_run_with_its_mask_method_and_options(toy):
    assert {"noise 4 on toy", "enhance toy", "adapt toy"} <= set(toy["pieces"])
    assert toy["run"] == [["toy_mask.safetensors", "toy", 3], [None, "toy_free"]]


def test_a_toy_arm_is_planned_and_may_be_left_out(toy):
    assert toy["plan"][-2:] == ["enhance toy", "adapt toy"]
    assert toy["advice"] == ["leaving toy out of enhance_arms", None]


def test_a_toy_arm_is_told_in_the_report(toy):
    assert toy["story"] == ["enhance", "adapt"]


def test_a_toy_arm_is_on_the_page_with_its_label_colour_marker_and_rows(toy):
    page = toy["page"]
    assert "--toy: light-dark(#123456, #abcdef);" in page
    assert ".m-toy { color: var(--toy); }" in page
    assert re.search(r'<g class="(mark )?m-toy">', page)
    for label in ("toy noise", "toy tuned", "toy adapted"):
        assert re.search(rf"<t[hd][^>]*>{label}</t[hd]>", page), f"{label} has no cell in a table"
        assert re.search(rf">{label}</text>|</svg>{label}</li>", page), f"{label} is in no figure"


def test_names_are_those_of_files_that_exist():
    names = {stage: list(arms_of(stage)) for stage in STAGES}
    assert names == {
        "verify": ["top", "safety_only", "random", "bottom"],
        "enhance": ["top", "safety_only", "random", "bottom", "refusals_alone", "full"],
        "adapt": [
            *("plain", "protected", "safety_only", "random_protected"),
            *("mixed", "replay", "kl", "der", "constrained", "safegrad", "ema", "layers", "protected_replay"),
        ],
    }
    assert usual_arms("adapt") == ("plain", "protected", "safety_only", "random_protected")
    assert arm_named("enhance", "top").path == ("enhance", "after")
    assert arm_named("enhance", "refusals_alone").path == ("enhance", "controls", "refusals_alone")
    assert arm_named("adapt", "random_protected").path == ("adapt", "random_protected")


def test_every_mask_has_a_selector():
    assert set(masks(ARMS)) <= set(SELECTORS)


def test_no_two_arms_of_a_stage_share_a_name_a_place_or_a_sign():
    for stage in STAGES:
        rows = [arm for arm in ARMS if arm.stage == stage]
        for one in ("name", "path", "label"):
            assert len({getattr(arm, one) for arm in rows}) == len(rows)
    shown = looks(*STAGES).values()
    assert len({look.marker for look in shown}) == len({look.light for look in shown}) == len(shown)


def test_arms_of_one_meaning_share_a_line_of_help():
    assert help_on("adapt").splitlines() == [
        "- plain: none",
        "- protected: the mask",
        "- safety_only, random_protected: its controls",
        "- mixed, replay, kl, der, constrained, safegrad, ema, layers: methods without a mask",
        "- protected_replay: the mask, with the model's own answers to safety prompts mixed in",
    ]


def test_an_unknown_arm_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="adapt has no arm 'bottom'; known: plain, protected, safety_only"):
        arm_named("adapt", "bottom")
