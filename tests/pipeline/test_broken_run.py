"""A run whose pieces were cut off says which file to remove; whoever does so and runs it again has the run again."""

import json
import re
from pathlib import Path

import pytest

from holdfast.pipeline.run.run import run
from tests.pipeline.small import small_config

CUT_OFF = (
    "locate/section.json",
    "locate/scores_first_half.safetensors",
    "verify/top/noise_2_draw_0.json",
    "enhance/top/patch.safetensors",
    "enhance/top/result.json",
    "adapt/start.json",
)


def without_timings(report):
    return json.dumps({**report, "provenance": {**report["provenance"], "timings": None}}, sort_keys=True)


@pytest.mark.slow
def test_a_run_of_broken_pieces_is_whole_again_by_what_its_errors_say(tmp_path):
    more = {"enhance_arms": ("top",), "adapt_arms": ()}
    config, out = small_config(tmp_path, **more), tmp_path / "out"
    whole = without_timings(run(config, out))
    for name in CUT_OFF:
        content = (out / name).read_bytes()
        (out / name).write_bytes(content[: len(content) // 2])
    removed = []
    while len(removed) <= len(CUT_OFF):
        try:
            again = run(config, out)
            break
        except ValueError as error:
            said = re.match(r"[^']*'([^']+)'.*; remove it and run the `holdfast run` or .*/out' again", str(error))
            removed.append(Path(said[1]))
            removed[-1].unlink()
    made_with_another = {"enhance/top/patch.safetensors"}  # by the tuning that makes result.json
    assert {str(path.relative_to(out)) for path in removed} == set(CUT_OFF) - made_with_another
    assert without_timings(again) == whole


def test_for_a_manifest_that_was_cut_off_nothing_is_advised_that_destroys_the_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/manifest.json").write_text('{"run": ')
    with pytest.raises(
        ValueError, match=r"; give another folder, or move '.*/out' away, if it is of holdfast, and run"
    ):
        run(small_config(tmp_path), tmp_path / "out")
