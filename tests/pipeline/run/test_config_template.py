"""A config that is written is read back as itself, and names every setting."""

import re

from holdfast.intervene.options import LoraOptions
from holdfast.pipeline.run.config import RunConfig
from holdfast.pipeline.run.config_file import load_config
from holdfast.pipeline.run.config_template import to_toml
from holdfast.pipeline.run.demo import demo_config
from holdfast.pipeline.shipped import DEMO
from tests.pipeline.demo_template import render

SETTING = re.compile(r"^# (\w+ = .+)$", re.MULTILINE)


def test_the_committed_config_of_the_demo_is_what_its_options_give():
    assert DEMO.read_text(encoding="utf-8") == render(), "run python -m tests.pipeline.demo_template"


def read(text, tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(text)
    return load_config(path, RunConfig)


def test_a_config_is_read_back_as_itself(tmp_path):
    assert read(to_toml(demo_config()), tmp_path) == demo_config()


def test_what_is_set_within_a_table_that_may_be_absent_is_read_back(tmp_path):
    lora = demo_config().adapt.model_copy(update={"freeze": (), "lora": LoraOptions(rank=2, targets=("q_proj",))})
    config = demo_config().model_copy(update={"adapt": lora})
    assert read(to_toml(config), tmp_path) == config


def test_every_setting_is_there_and_what_is_commented_out_is_the_default(tmp_path):
    text = to_toml(demo_config()).split("# [adapt.lora]")[0]
    assert len(SETTING.findall(text)) > 40
    assert read(SETTING.sub(r"\1", text), tmp_path) == demo_config()
    for name, field in RunConfig.model_fields.items():
        assert re.search(rf"^(# )?({name} (=|is not set)|\[{name}\])", text, re.MULTILINE), name
        assert (field.description or "").split(".")[0][:30] in text.replace("\n# ", " ")


def test_no_comment_shows_an_option_in_the_form_of_the_command_line():
    assert [line for line in render().splitlines() if re.search(r"(?<![-\w])--[a-z]", line)] == []
