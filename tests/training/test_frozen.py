"""Hashes of what must not change."""

import pytest
import torch

from recipes.training.frozen import check_frozen, hash_frozen, hash_tensor


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.uint8])
def test_hash_sees_any_single_element(dtype):
    tensor = (torch.rand(50, 40, generator=torch.Generator().manual_seed(0)) * 200).to(dtype)
    original = hash_tensor(tensor)
    assert original == hash_tensor(tensor.clone())
    for place in ((0, 0), (17, 3), (49, 39)):
        other = tensor.clone()
        other[place] += 1
        assert hash_tensor(other) != original


def test_hash_sees_order_sign_shape_and_type():
    tensor = torch.tensor([[1.0, 2.0], [3.0, 0.0]])
    others = [tensor.T, tensor.flip(0), tensor.flatten(), tensor.double(), torch.tensor([[1.0, 2.0], [3.0, -0.0]])]
    hashes = {hash_tensor(each) for each in (tensor, *others)}
    assert len(hashes) == 1 + len(others)
    assert hash_tensor(torch.empty(0)) == hash_tensor(torch.empty(0))


def test_hash_goes_through_large_tensors_in_parts(monkeypatch):
    tensor = torch.rand(1000)
    whole = hash_tensor(tensor)
    monkeypatch.setattr("recipes.training.frozen._ELEMENTS_AT_ONCE", 64)
    assert hash_tensor(tensor) == whole


def test_a_changed_tensor_is_named_and_a_trained_one_is_not():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    model[0].requires_grad_(False)
    before = hash_frozen(model)
    assert set(before) == {"0.weight", "0.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"}
    with torch.no_grad():
        model[1].weight += 1
    check_frozen(before, hash_frozen(model))
    with torch.no_grad():
        model[0].bias[1] += 1e-6
    with pytest.raises(RuntimeError, match=r"1 frozen tensors changed while training: 0\.bias"):
        check_frozen(before, hash_frozen(model))
