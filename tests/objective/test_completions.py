import pytest

from holdfast.models.layered import in_memory
from holdfast.records import Exchange
from holdfast.score import ResponseLikelihood, score, score_halves
from holdfast.score.layerwise import sum_by_layer
from tests.models.families import make_only_continued
from tests.tiny import make_llama, make_loaded, make_tokenizer

SHORT = [Exchange("how do i mend it ?", "sorry"), Exchange("hello", "safe")]
LONG = [*SHORT, Exchange("mend ?", "help " * 130)]


@pytest.mark.parametrize("by", ["score", "score_halves", "layer"])
def test_a_completion_beyond_the_context_is_refused_before_anything_is_scored(by):
    loaded = make_loaded(make_llama(), make_tokenizer())
    objective = ResponseLikelihood(loaded.tokenizer, LONG)
    score_it = {
        "score": lambda: score(loaded, objective),
        "score_halves": lambda: score_halves(loaded, objective),
        "layer": lambda: next(sum_by_layer(in_memory(loaded), objective, [[0, 1], [2]])),
    }
    with pytest.raises(ValueError, match=r"an exchange of \d+ tokens is longer than the model's context of 128"):
        score_it[by]()


def test_a_completion_with_a_token_that_the_model_lacks_is_refused():
    loaded = make_loaded(make_llama(vocabulary=300), make_tokenizer())
    with pytest.raises(ValueError, match="embedding has 300 rows"):
        score(loaded, ResponseLikelihood(loaded.tokenizer, SHORT))


def test_a_recurrent_model_is_scored_alike_whatever_the_padding():
    """Padding stands behind a completion, where no state has met it yet."""
    loaded = make_loaded(make_only_continued("rwkv"), make_tokenizer())
    exchanges = [Exchange("hello", "safe"), Exchange("how do i mend the old clock ?", "sorry , i can not help")]
    objective = ResponseLikelihood(loaded.tokenizer, exchanges)
    together = objective.contributions(loaded.model, [0, 1])
    alone = [objective.contributions(loaded.model, [item])[0] for item in (0, 1)]
    # float32 sums over some dozen tokens
    assert together.tolist() == pytest.approx([one.item() for one in alone], rel=1e-5)
