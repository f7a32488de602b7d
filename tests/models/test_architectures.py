import pytest
import transformers

from tests.models.architectures import TABLE, render


def test_the_committed_table_is_what_the_models_give():
    committed = TABLE.read_text(encoding="utf-8")
    if f"transformers {transformers.__version__}," not in committed:
        pytest.skip("the table was which differ in version of transformers, which may store a family otherwise")
    assert committed == render()
