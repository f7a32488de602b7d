from holdfast.evaluation_settings import settings_words


def test_settings_are_named_in_words():
    made_by = {
        "generation": {"max_new_tokens": 32, "temperature": 0.0},
        "responses": {"context": None, "end_ids": [1]},
        "suite": {"harmful": ["ab" * 32, "cd" * 32], "task": []},
        "refusal_judge": "ef" * 32,
        "coherence": {"rules": "01" * 32},
        "system_prompt": "Be kind.",
    }
    assert settings_words(made_by) == {
        "responses": "max_new_tokens 32, temperature 0.0, end_ids [1]",
        "prompt sets": "harmful abababababab, cdcdcdcdcdcd",
        "rules": "refusals efefefefefef, coherence 010101010101",
        "system prompt that the chat template adds": "Be kind.",
    }


def test_what_is_not_recorded_is_left_out():
    assert settings_words({}) == {}
    assert settings_words({"suite": {"harmful": "one hash"}, "refusal_judge": {"name": "some/judge"}}) == {
        "prompt sets": "harmful one hash",
        "rules": "refusals some/judge",
    }
