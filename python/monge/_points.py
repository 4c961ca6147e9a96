"""Points of every kind that users have, as tensors for the core, and back in the same kind."""

import numpy as np
import torch
from sklearn.utils.validation import validate_data


def shape_text(shape):
    return f"[{', '.join(map(str, shape))}]"


def tensor_of(rows):
    """The memory of a float32 array as a tensor; a copy where it must not be written to."""
    return torch.from_numpy(rows if rows.flags.writeable else rows.copy())


def require_finite(points, name):
    wrong = ~torch.isfinite(points.detach())
    if wrong.any():
        row, column = wrong.nonzero()[0].tolist()
        value = str(points[row, column].item()).replace("nan", "NaN")
        raise ValueError(f"{name}: expected finite values in float32, got {value} in row {row}")


def unwrap(data, use_rep=None):
    """The array in an AnnData object: .X, or .obsm[use_rep]."""
    if not (hasattr(data, "obsm") and hasattr(data, "X")):
        return data
    if use_rep is not None and use_rep not in data.obsm:
        raise ValueError(f"use_rep: expected a key of obsm ({', '.join(data.obsm)}), "
                         f"got '{use_rep}'")
    array = data.X if use_rep is None else data.obsm[use_rep]
    return array.toarray() if hasattr(array, "toarray") else array


def from_torch(points, name, columns):
    if points.device.type != "cpu":
        raise ValueError(f"{name}: expected a tensor on the cpu, got one on {points.device}")
    if points.dim() != 2 or (columns is not None and points.shape[1] != columns):
        raise ValueError(f"{name}: expected points [n, {columns or 'd'}], "
                         f"got {shape_text(points.shape)}")
    if points.is_complex() or points.dtype == torch.bool:
        raise TypeError(f"{name}: expected real numbers, got {points.dtype}")
    converted = points if points.is_floating_point() else points.double()
    require_finite(converted.float(), name)
    return converted


class Points:
    """Points of a user as a tensor [n, d], and results beside them in the user's kind."""

    def __init__(self, estimator, data, name, *, reset=False, use_rep=None, least_rows=1):
        self.data = unwrap(data, use_rep)
        if isinstance(self.data, torch.Tensor):
            columns = None if reset else estimator.n_features_in_
            self.tensor = from_torch(self.data, name, columns)
            if reset:
                estimator.n_features_in_ = self.tensor.shape[1]
            return
        array = validate_data(estimator, self.data, reset=reset, order="C", copy=False,
                              dtype=[np.float64, np.float32], ensure_all_finite=False,
                              ensure_min_samples=least_rows)
        self.dtype = array.dtype
        with np.errstate(over="ignore"):  # refused as not finite below
            self.tensor = tensor_of(array.astype(np.float32, order="C", copy=False))
        require_finite(self.tensor, name)

    def like(self, result):
        """A result [n, ...] as a tensor, a DataFrame with the same index, or an array."""
        if isinstance(self.data, torch.Tensor):
            return result
        array = result.numpy().astype(self.dtype, copy=False)
        if hasattr(self.data, "iloc") and array.ndim == 2 and array.shape == self.data.shape:
            return type(self.data)(array, index=self.data.index, columns=self.data.columns)
        return array
