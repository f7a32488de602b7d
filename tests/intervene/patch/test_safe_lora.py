"""SafeLoRA against its formula, with the dense matrix C that ours never makes."""

import pytest
import torch
from safetensors.torch import load_file

from holdfast.intervene.patch.safe_lora import project, write_projected
from holdfast.models.stored import open_stored
from tests.intervene.patch.test_low_rank import save_adapter
from tests.stored import save, tune
from tests.tiny import make_llama


def dense(b, a, alignment):
    """C B and the cosine, as the published code computes them."""
    c = alignment @ alignment.T / alignment.norm()
    change, projected = (b @ a).flatten(), (c @ b @ a).flatten()
    return c @ b, torch.nn.functional.cosine_similarity(projected, change, dim=0)


@pytest.mark.parametrize("seed", range(5))
def test_projection_and_cosine_equal_the_dense_formula(seed):
    torch.manual_seed(seed)
    b, a, alignment = torch.randn(7, 2), torch.randn(2, 5), torch.randn(7, 5)
    projected, cosine = project(b, a, alignment)
    expected, similar = dense(b, a, alignment)
    torch.testing.assert_close(projected, expected)
    assert cosine == pytest.approx(float(similar), abs=1e-6)


def test_a_matrix_worked_out_by_hand():
    """V = diag(2, 0): C = diag(4, 0) / 2 = diag(2, 0). B = (1, 1), A = (1, 0): C B = (2, 0), cosine 1 / sqrt(2)."""
    projected, cosine = project(torch.ones(2, 1), torch.tensor([[1.0, 0.0]]), torch.diag(torch.tensor([2.0, 0.0])))
    assert projected.flatten().tolist() == [2.0, 0.0]
    assert cosine == pytest.approx(0.5**0.5)


def test_without_a_difference_there_is_no_cosine():
    assert project(torch.ones(2, 1), torch.ones(1, 2), torch.zeros(2, 2))[1] is None
    assert project(torch.zeros(2, 1), torch.ones(1, 2), torch.ones(2, 2))[1] is None


def test_matrices_up_to_the_threshold_are_projected_and_all_else_stays(tmp_path):
    base, aligned = save(tmp_path / "base", make_llama()), save(tmp_path / "aligned", tune(make_llama(), 0.5))
    save_adapter(tmp_path / "adapter", make_llama())
    ends, before = [open_stored(str(folder)) for folder in (aligned, base)], load_file(_file(tmp_path / "adapter"))
    cosines = [each.cosine for each in write_projected(*ends, str(tmp_path / "adapter"), tmp_path / "none", -1.0)]
    assert all(torch.equal(value, before[name]) for name, value in load_file(_file(tmp_path / "none")).items())
    threshold = sorted(cosines)[1]
    done = write_projected(*ends, str(tmp_path / "adapter"), tmp_path / "some", threshold)
    assert [each.projected for each in done] == [cosine <= threshold for cosine in cosines]
    after = load_file(_file(tmp_path / "some"))
    for each in done:
        path = f"base_model.model.{each.name.removesuffix('.weight')}"
        b, a = before[f"{path}.lora_B.weight"], before[f"{path}.lora_A.weight"]
        weights = [dict(make.named_parameters())[each.name] for make in (tune(make_llama(), 0.5), make_llama())]
        expected, cosine = dense(b, a, (weights[0] - weights[1]).detach())
        assert each.cosine == pytest.approx(float(cosine), abs=1e-5)
        torch.testing.assert_close(after[f"{path}.lora_B.weight"], expected if each.projected else b)
        assert torch.equal(after[f"{path}.lora_A.weight"], a)


def test_another_base_is_refused(tmp_path):
    aligned, wide = save(tmp_path / "aligned", make_llama()), save(tmp_path / "wide", make_llama(width=32))
    save_adapter(tmp_path / "adapter", make_llama())
    with pytest.raises(ValueError, match=r"is not the base of .*; give the model before alignment"):
        write_projected(*map(open_stored, map(str, (aligned, wide))), str(tmp_path / "adapter"), tmp_path / "out", 0.5)
    assert not (tmp_path / "out").exists()


def _file(folder):
    return folder / "adapter_model.safetensors"
