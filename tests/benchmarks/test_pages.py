"""Pages of results hold what their scripts write from the committed figures, so that neither changes alone."""

import runpy
import sys
from unittest.mock import patch

import pytest

from tests.quoted import ROOT


@pytest.mark.parametrize(
    ("name", "script", "writer"),
    [
        ("real_models", "real/page.py", "written"),
        ("preservation", "preservation.py", "page"),
        ("seeds", "seeds.py", "tables"),
        ("set_units", "set_units.py", "page"),
        ("set_levers", "set_levers.py", "page"),
        ("hold_levers", "hold_levers.py", "page"),
        ("convergence", "convergence.py", "page"),
        ("objectives", "objectives.py", "page"),
        ("noise", "noise.py", "page"),
    ],
)
def test_a_page_is_what_its_script_writes_from_the_committed_figures(name, script, writer):
    with patch.object(sys, "path", [str(ROOT / "benchmarks"), str(ROOT), *sys.path]):
        module = runpy.run_path(str(ROOT / "benchmarks" / script))
    assert (ROOT / f"docs/results/{name}.md").read_text(encoding="utf-8") == module[writer]()
