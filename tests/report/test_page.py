import copy
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from holdfast.objective.registry import MOVED, OBJECTIVES
from holdfast.report.objective_words import OTHERWISE, score_words
from holdfast.report.page import (
    SHOWN_CHARACTERS,
    bytes_text,
    page_context,
    plain_rows,
    render_page,
    unbroken,
    with_code,
)
from tests.report.sample import HOSTILE, by_expert, full_report, rate, read, suite

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECTIONS = ("locate", "verify", "enhance", "adapt", "examples", "provenance")


class Tags(HTMLParser):
    """Every tag with its attributes, as a browser would find them."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def hostile_everywhere(value):
    """The same report with every text in it made hostile."""
    if isinstance(value, dict):
        return {key: hostile_everywhere(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [hostile_everywhere(entry) for entry in value]
    return HOSTILE if isinstance(value, str) else value


def test_equal_reports_give_equal_pages_also_after_a_trip_through_json():
    page = render_page(read(full_report()))
    assert page == render_page(read(full_report()))
    assert page == render_page(read(json.loads(json.dumps(full_report()))))


def test_the_page_is_small():
    assert len(render_page(read(full_report())).encode()) < 500_000


def test_eighty_layers_of_128_experts_fit_in_eight_megabytes():
    report = full_report()
    components = (*(f"{letter}_proj" for letter in "qkvo"), "experts.gate_up_proj", "experts.down_proj")
    for section in (report["locate"], report["locate"]["safety_only"]):
        section["by_component"] = [
            {"layer": layer, "component": component, "selected": 10**6 + layer, "entries": 10**9, "mean_esi": 1e-6}
            for layer in range(80)
            for component in components
        ]
        section["by_expert"] = by_expert(80, 128)
    report["examples"] = [{**report["examples"][1], "before": "y" * 10**5, "after": "<" * 10**5}] * 10
    # Measured: 2.3 MB, of which the files of experts are 1.0 MB and all figures 0.7 MB.
    assert len(render_page(read(report)).encode()) < 8_000_000


def test_the_page_has_no_script_and_loads_nothing():
    tags = Tags(render_page(read(full_report()))).found
    assert not {tag for tag, _ in tags} & {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    assert not [name for _, attributes in tags for name in attributes if name in ("src", "srcset") or name[:2] == "on"]
    links = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert {link for link in links if not link.startswith(("#", "data:text/csv;"))} == {
        "https://arxiv.org/abs/2402.05162",
        "https://arxiv.org/abs/2602.17696",
    }
    assert "url(" not in render_page(read(full_report()))
    assert "@import" not in render_page(read(full_report()))


def test_the_content_policy_forbids_scripts_and_requests():
    policies = [attributes for tag, attributes in Tags(render_page(read({"schema": 1}))).found if tag == "meta"]
    policy = next(one["content"] for one in policies if one.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")


def test_hostile_text_adds_no_tag_and_no_attribute_wherever_it_stands():
    hostile = hostile_everywhere(full_report())
    hostile["enhance"]["before"]["groups"][f"asr/{HOSTILE}"] = copy.deepcopy(hostile["enhance"]["before"]["asr"])
    tags = Tags(render_page(read(hostile))).found
    assert not {tag for tag, _ in tags} & {"script", "img"}
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]


def test_a_hostile_response_is_shown_as_it_was_written():
    page = render_page(read(full_report()))
    assert "&lt;img src=x onerror=&#34;alert(&#39;model text ran&#39;)&#34;&gt;" in page
    assert "<img src=x" not in page


def test_a_very_long_response_is_cut_and_the_rest_counted():
    report = full_report()
    report["examples"][0]["after"] = "y" * 100_000
    page = render_page(read(report))
    assert f"… and {100_000 - SHOWN_CHARACTERS:,} more characters" in page
    assert "y" * (SHOWN_CHARACTERS + 1) not in page


@pytest.mark.parametrize("missing", SECTIONS)
def test_any_section_may_be_missing(missing):
    report = full_report()
    del report[missing]
    waiting = render_page(read(report)).count("Not measured yet.")
    assert waiting == (0 if missing == "examples" else 1)


def test_a_report_that_only_began_says_so_everywhere():
    page = render_page(read({"schema": 1}))
    assert "No claim is tested yet. This page grows while the run goes on." in page
    assert page.count("Not measured yet.") == 5


@pytest.mark.parametrize(
    ("section", "known"),
    [
        ("adapt", {"start": suite(0, 5, 9, 231, 3.24)}),
        ("enhance", {}),
        ("verify", {"noise_ratio": [1.0]}),
        ("locate", {}),
    ],
)
def test_a_section_may_have_begun_only(section, known):
    assert "holdfast" in render_page(read({"schema": 1, section: known}))


def test_a_noise_grid_that_is_half_measured_draws_what_there_is():
    report = full_report()
    for rates in (report["verify"], report["verify"]["utility"]):
        rates["bottom"] = rates["bottom"][:2]
        del rates["safety_only"]
    page = render_page(read(report))
    assert "bottom, noise ratio 1:" in page
    assert "bottom, noise ratio 2:" not in page
    assert "<td>not measured yet</td>" in page


def test_a_measure_with_nothing_scored_is_missing_and_not_zero():
    report = full_report()
    report["enhance"]["after"]["asr"] = {"value": None, "low": None, "high": None, "n": 0, "unscored": 240}
    assert "not measured n=0 (240 unscored)" in render_page(read(report))


def test_one_draw_of_noise_has_intervals_over_prompts_alone():
    report = full_report()
    assert "mean of 5 draws of noise on the same prompts. Whiskers are 95% intervals over prompts and draws" in (
        render_page(read(report))
    )
    report["verify"]["draws"] = 1
    page = render_page(read(report))
    assert "intervals over prompts alone" in page
    assert "and the draws of noise" not in page


def test_overlaps_and_rank_correlations_stand_with_their_intervals_where_they_have_them():
    report = full_report()
    report["locate"]["stability"] |= {"iou_low": 0.371, "iou_high": 0.453}
    report["locate"]["convergence"][0] |= {"iou_low": 0.11, "iou_high": 0.26, "rank_low": 0.2, "rank_high": 0.39}
    page = render_page(read(report))
    assert "<dd>0.412 [0.371, 0.453]</dd>" in page
    assert "<td class=number>0.188 [0.110, 0.260]</td>" in page
    assert "<td class=number>0.300 [0.200, 0.390]</td>" in page
    first, second = (mark for curve in page_context(read(report))["convergence"].curves[:1] for mark in curve.marks[:2])
    assert first.high < first.y < first.low, "a whisker"
    assert second.high == second.y == second.low, "a report of before has none"


def test_every_rate_is_printed_with_interval_size_and_unscored():
    assert str(rate(20, 480, 3)) == "0.04 [0.03, 0.06] n=480 (3 unscored)"
    assert "0.04 [0.03, 0.06] n=480 (3 unscored)" in render_page(read(full_report()))


@pytest.mark.parametrize("section", ["enhance", "adapt"])
def test_refusals_of_harmful_prompts_stand_beside_attack_success(section):
    page = render_page(read({"schema": 1, section: full_report()[section]}))
    assert 'aria-label="Refusals of harmful prompts of every arm' in page
    assert '<th scope="row">Refusals of harmful prompts</th>' in page
    older = full_report()[section]
    for one in [*older.values(), *older.get("controls", {}).values()]:
        if isinstance(one, dict):
            one.pop("refusal", None)
    assert "Refusals of harmful prompts" not in render_page(read({"schema": 1, section: older}))


def test_settings_are_rows_of_name_and_value():
    config = {"score": {"method": "esi", "reduction": None}, "ratios": [0.38, 2.0], "freeze": [], "resume": True}
    assert plain_rows(config) == [
        ("score.method", "esi"),
        ("score.reduction", "none"),
        ("ratios", "0.38, 2.0"),
        ("freeze", "none"),
        ("resume", "yes"),
    ]
    page = render_page(read({"schema": 1, "provenance": {"config": config, "timings": {"locate": 2.5}, "run": "9f2c"}}))
    assert "entries</summary>" not in page
    long = {f"setting_{at}": at for at in range(9)}
    folded = render_page(read({"schema": 1, "provenance": {"config": long}}))
    assert "<summary>9 entries</summary>" in folded
    assert "<dt>setting_8</dt><dd>8</dd>" in folded
    assert "<dt>score.method</dt><dd>esi</dd>" in page
    assert "<dt>locate</dt><dd>2.5 s</dd>" in page
    assert "<dt>run</dt><dd>9f2c</dd>" in page
    assert "&#39;method&#39;" not in page


def test_what_set_changed_is_told_with_the_size_of_its_patch():
    report = full_report()
    page = render_page(read(report))
    for value in ("enhance/top/patch.safetensors", "95.3 kB", "6.12", "enhance/locate/masks/top.safetensors"):
        assert f"<dd>{value}</dd>" in page
    assert "choices of experts that changed" not in page
    report["enhance"]["routing_drift"] = 0.01234
    assert "<dt>choices of experts that changed</dt><dd>0.0123</dd>" in render_page(read(report))
    del report["enhance"]["patch"], report["enhance"]["mask"]
    assert "patch that makes" not in render_page(read(report))


@pytest.mark.parametrize(
    ("size", "text"), [(999, "999 B"), (1000, "1 kB"), (999_900, "1 MB"), (87_400, "87.4 kB"), (1.2e9, "1.2 GB")]
)
def test_sizes_are_told_in_powers_of_a_thousand(size, text):
    assert bytes_text(size) == text


def test_responses_stay_folded_until_they_are_asked_for():
    opened = [attributes for tag, attributes in Tags(render_page(read(full_report()))).found if tag == "details"]
    assert opened
    assert not [one for one in opened if "open" in one]


def test_limits_are_always_on_the_page():
    text = re.sub(r"<[^>]+>", "", render_page(read({"schema": 1})))
    assert "A result on one model is no evidence about another or a larger one, nor about other prompts." in text
    built_in = {"schema": 1, "locate": {"model": "testbed:aligned"}}
    assert "A result on the built-in models tests the machinery" in render_page(read(built_in))
    assert "does not stop a deliberate fine-tuning attack (arXiv 2402.05162)" in text
    assert "Safety regions found on different prompt sets overlap little (arXiv 2602.17696)" in text


def test_another_schema_is_refused():
    with pytest.raises(ValueError, match="schema 2, this version reads 1"):
        render_page(read({"schema": 2}))


@pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: apt-get install chromium")
def test_a_real_browser_opens_the_hostile_page_in_peace(tmp_path):
    page = tmp_path / "report.html"
    page.write_text(render_page(read(hostile_everywhere(full_report()))), encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    opened = subprocess.run(
        [*command, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "CONSOLE" not in opened.stderr
    assert opened.stdout.count("<svg") == render_page(read(full_report())).count("<svg")
    assert "<img" not in opened.stdout


def test_what_is_wrong_with_responses_is_in_the_tables_and_is_no_figure():
    page = render_page(read(full_report()))
    figures = [part.split("</figure>")[0] for part in page.split("<figure")[1:]]
    for label in ("Degenerate responses, all", "Responses cut off by length, all"):
        assert f'<th scope="row">{label}</th>' in page
        assert not any(label in figure for figure in figures)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("refusal_likelihood", "the likelihood of the given refusals"),
        ("judge_gradient", "the judge&#39;s verdict on the model&#39;s own answers"),
        ("policy_gradient", "the model&#39;s own sampled answers"),
        ("of another version", "how much safety would move"),
    ],
)
def test_the_page_describes_the_objective_that_was_run(objective, words):
    report = full_report()
    report["locate"]["objective"] = objective
    page = render_page(read(report))
    assert words in page
    assert ("own answers to harmful requests" in page) is (objective == "judge_gradient")


def test_every_objective_has_its_sentence():
    words = {name: score_words(name) for name in OBJECTIVES}
    assert len(set(words.values())) == len(words)
    assert all(sentence.startswith("how much ") and MOVED in sentence for sentence in words.values())
    assert OTHERWISE not in words.values()


def test_examples_are_no_choice_of_a_judge_where_there_was_none():
    assert "The largest change of the judged score comes first" in render_page(read(full_report()))
    assert "the judged score comes first" not in render_page(read(full_report() | {"safety": "not_refused"}))


def test_the_safety_only_selection_is_drawn_where_the_run_uses_it():
    report = full_report()
    report["provenance"]["config"] = config = {"verify": {"ratios": []}, "enhance_arms": ["top"], "task": None}
    assert "<h3>Safety-only" not in render_page(read(report))
    config["enhance_arms"] = ["top", "safety_only"]
    assert "<h3>Safety-only" in render_page(read(report))
    config |= {"enhance_arms": ["top"], "verify": {"ratios": [0.38]}}
    assert "<h3>Safety-only" in render_page(read(report))


def test_stages_that_the_config_leaves_out_are_one_line_though_their_start_was_measured():
    report = full_report()
    report["adapt"] = {"start": report["adapt"]["start"]}
    report["provenance"]["config"] = {"task": None, "suite": {"harmful": ["some"], "harmless": "some"}}
    page = render_page(read(report))
    said = "Not part of this run, as its config leaves it out: "
    assert page.count(f"{said}holding the selected weights fast (SPA).") == 1
    assert 'id="adapt"' not in page
    assert '"#adapt"' not in page, "no link leads nowhere"
    assert 'id="verify"' in page
    report["provenance"]["config"]["verify"] = {"ratios": []}
    page = render_page(read(report))
    assert f"{said}noise on the selected weights and holding the selected weights fast (SPA)." in page
    assert not any(f'id="{stage}"' in page or f'"#{stage}"' in page for stage in ("verify", "adapt"))
    assert 'id="enhance"' in page
    assert said not in render_page(read(full_report()))


@pytest.mark.parametrize(
    ("sentence", "html"),
    [
        ("run `holdfast demo` & wait", 'run <span class="code">holdfast demo</span> &amp; wait'),
        ("`<b>`", '<span class="code">&lt;b&gt;</span>'),
        ("a file named ` and <i>", "a file named ` and &lt;i&gt;"),
    ],
)
def test_what_stands_between_backticks_is_code_and_everything_is_escaped(sentence, html):
    assert str(with_code(sentence)) == html


def test_no_line_breaks_inside_a_word_of_a_command_and_no_command_is_markup():
    assert str(unbroken("show a.json --html x")) == "show a.json <span>--html</span> x"
    assert str(unbroken(f"show {'demo/' * 7}")) == f'show <span class="long">{"demo/" * 7}</span>'
    assert str(unbroken("show demo/a.json")) == "show <span>demo/a.json</span>"
    assert str(with_code("`--undecided warn`")) == '<span class="code"><span>--undecided</span> warn</span>'
    assert str(unbroken("<b> -<i>")) == "&lt;b&gt; <span>-&lt;i&gt;</span>"


def test_no_backtick_is_left_in_what_to_do_next():
    page = render_page(read(full_report()))
    section = page.partition('<section class="next"')[2].partition("</section>")[0]
    assert '<span class="code">holdfast evaluate</span>' in section
    assert "`" not in section
