import torch

from holdfast.intervene.train.preserve.extra_rows import ExtraRows
from holdfast.intervene.train.preserve.stored_logits import store
from tests.intervene.given import load_tiny
from tests.intervene.train.preserve.toys import logits_of, start_of


def test_the_largest_logits_of_every_response_token_are_kept():
    loaded = load_tiny(torch.float32)
    rows = ExtraRows(start_of(loaded), 4)
    for row, stored in zip(rows._rows, store(loaded.model, rows, 3), strict=True):
        logits, _ = logits_of(loaded.model, row)
        for token, values in enumerate(logits.tolist()):
            largest = sorted(range(len(values)), key=values.__getitem__, reverse=True)[:3]
            assert stored.index[token].tolist() == largest
            assert stored.logits[token].tolist() == [values[place] for place in largest]
        assert torch.allclose(stored.log_probs, stored.gather(logits.log_softmax(dim=1)), atol=1e-5)


def test_no_more_logits_are_kept_than_there_are():
    loaded = load_tiny(torch.float32)
    rows = ExtraRows(start_of(loaded), 4)
    assert store(loaded.model, rows, 10_000)[0].logits.shape[1] == loaded.model.config.vocab_size
