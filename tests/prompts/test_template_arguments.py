import pytest

from holdfast.models.load import load_model, load_outline
from holdfast.pipeline.saving import save_checkpoint
from holdfast.prompts.chat import Turn, encode_chat, encode_exchange
from holdfast.prompts.template_arguments import arguments_of, bind_arguments, split_arguments, with_arguments_of
from tests.templates import LLAMA3, QWEN3, tokenizer_with
from tests.tiny import make_llama, make_loaded, make_tokenizer


def asked(tokenizer):
    return encode_chat(tokenizer, [Turn("user", "mend")]).text


@pytest.fixture
def folder(tmp_path):
    tokenizer = tokenizer_with(QWEN3)
    save_checkpoint(tmp_path / "model", make_loaded(make_llama(len(tokenizer)), tokenizer))
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ("enable_thinking=false", {"enable_thinking": False}),
        ("date_string=1 May 2025", {"date_string": "1 May 2025"}),
        ("a=3&b=[1, 2]&c=x%26y", {"a": 3, "b": [1, 2], "c": "x&y"}),
        ('a="4"', {"a": "4"}),
    ],
)
def test_what_stands_behind_the_name_of_a_model_is_read_as_json_else_as_text(given, arguments):
    assert split_arguments(f"some/model#{given}") == ("some/model", arguments)


def test_a_folder_with_such_a_name_is_a_folder(tmp_path):
    (tmp_path / "a#b=c").mkdir()
    assert split_arguments(str(tmp_path / "a#b=c")) == (str(tmp_path / "a#b=c"), {})


@pytest.mark.parametrize("name", ["model#", "model#a", "model#a=", "model#=b", "#a=b", "model#a=1&"])
def test_arguments_without_name_or_value_are_refused(name):
    with pytest.raises(ValueError, match="written wrongly; write MODEL#NAME=VALUE"):
        split_arguments(name)
    with pytest.raises(ValueError, match="twice"):
        split_arguments("model#a=1&a=2")


def test_a_model_is_asked_with_the_arguments_behind_its_name_and_saved_without(folder, tmp_path):
    plain, quiet = load_model(str(folder)), load_model(f"{folder}#enable_thinking=false")
    assert asked(quiet.tokenizer) == asked(plain.tokenizer) + "<think>\n\n</think>\n\n"
    assert quiet.base == plain.base
    save_checkpoint(tmp_path / "saved", quiet)
    assert asked(load_model(str(tmp_path / "saved")).tokenizer) == asked(plain.tokenizer)
    name = with_arguments_of(str(tmp_path / "saved"), f"{folder}#enable_thinking=false")
    assert asked(load_model(name).tokenizer) == asked(quiet.tokenizer)
    outline = load_outline(f"{folder}#enable_thinking=false", plain.model.device)
    assert asked(outline.tokenizer) == asked(quiet.tokenizer)


def test_an_exchange_is_rendered_with_them_too():
    tokenizer = tokenizer_with(QWEN3)
    bind_arguments(tokenizer, {"enable_thinking": False}, "m")
    assert encode_exchange(tokenizer, "a", "4").text.endswith("assistant\n<think>\n\n</think>\n\n4<|im_end|>")


def test_a_bound_date_is_the_one_that_is_written():
    tokenizer = tokenizer_with(LLAMA3)
    bind_arguments(tokenizer, {"date_string": "1 May 2025"}, "m")
    assert "Today Date: 1 May 2025" in asked(tokenizer)


def test_an_argument_that_the_template_does_not_read_is_refused_before_the_weights_are(folder):
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"reads no argument 'enable_thinkin'; did you mean 'enable_thinking'\?"):
        load_model(f"{folder}#enable_thinkin=false")


@pytest.mark.parametrize("argument", ["messages", "add_generation_prompt", "turn", "strftime_now"])
def test_what_a_template_is_given_anyway_or_sets_itself_is_no_argument(argument):
    with pytest.raises(ValueError, match="reads no argument"):
        bind_arguments(tokenizer_with(QWEN3), {argument: 1}, "m")


def test_a_template_that_reads_none_says_so_and_a_model_without_one_too():
    with pytest.raises(ValueError, match="it reads none"):
        bind_arguments(make_tokenizer(), {"a": 1}, "m")
    with pytest.raises(ValueError, match="model 'm' has no chat template to give arguments to"):
        bind_arguments(make_tokenizer(template=None), {"a": 1}, "m")
    tokenizer = make_tokenizer(template=None)
    bind_arguments(tokenizer, {}, "m")
    assert arguments_of(tokenizer) == {}
