"""Points of every kind that users have, as tensors for the core, and back in the same kind."""

import numpy as np
import torch
from sklearn.utils.validation import check_array, validate_data

from monge import _core

ANY = 0  # of columns


def shape_text(shape):
    return f"[{', '.join(map(str, shape))}]"


def tensor_of(rows):
    """The memory of a float32 array as a tensor; a copy where it must not be written to."""
    return torch.from_numpy(rows if rows.flags.writeable else rows.copy())


def require_finite(points, name):
    wrong = ~torch.isfinite(points.detach())
    if wrong.any():
        place = wrong.nonzero()[0].tolist()
        value = str(points[tuple(place)].item()).replace("nan", "NaN")
        where = f"row {place[0]}, column {place[1]}" if len(place) == 2 else f"entry {place}"
        raise ValueError(f"{name}, {where}: expected a finite number that float32 can hold, "
                         f"got {value}")


def require_real(array, name):
    """ValueError on numbers that are none of the real line, and on masked entries."""
    kind = getattr(getattr(array, "dtype", None), "kind", "f")
    if kind == "c":  # in words that scikit-learn's contract has too
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}. Complex data not "
                         "supported")
    if kind in "mM":
        raise ValueError(f"{name}: expected real numbers, got {array.dtype}")
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError(f"{name}: expected points without masked entries")


def require_plain(tensor, name):
    """ValueError on a tensor elsewhere than on the processor, TypeError on a sparse one and on one
    of other than real numbers."""
    if tensor.device.type != "cpu":
        raise ValueError(f"{name}: expected a tensor on the cpu, got one on {tensor.device}")
    if tensor.layout != torch.strided:
        raise TypeError(f"{name}: expected a dense tensor, got {tensor.layout}")
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise TypeError(f"{name}: expected real numbers, got {tensor.dtype}")


def finite_numbers(numbers, name, dtype):
    """An array, list or tensor of any shape as a tensor of finite numbers of that dtype."""
    if not isinstance(numbers, torch.Tensor):
        numbers = np.asarray(numbers)
        require_real(numbers, name)
        if numbers.dtype.kind not in "fiu":
            raise TypeError(f"{name}: expected numbers, got {numbers.dtype}")
        numbers = torch.from_numpy(np.ascontiguousarray(numbers))
    require_plain(numbers, name)
    numbers = numbers.to(dtype)
    require_finite(numbers, name)
    return numbers


def is_anndata(data):
    return hasattr(data, "obsm") and hasattr(data, "X")


def is_measure(what):
    """Whether it is more than a table of points."""
    return (isinstance(what, (str, _core.Measure, torch.utils.data.DataLoader)) or callable(what) or
            hasattr(what, "__next__"))


def unwrap(data, use_rep=None):
    """The array in an AnnData object: .X, or .obsm[use_rep]."""
    if not is_anndata(data):
        return data
    if use_rep is not None and use_rep not in data.obsm:
        raise ValueError(f"use_rep: expected a key of obsm ({', '.join(data.obsm)}), "
                         f"got '{use_rep}'")
    array = data.X if use_rep is None else data.obsm[use_rep]
    return array.toarray() if hasattr(array, "toarray") else array


def require_same_dimension(source, target):
    """ValueError, in the program's words, unless both sides have as many coordinates."""
    if source != target:
        raise ValueError("source and target: expected points of the same dimension, "
                         f"got {source} and {target}")


def named(array, annotated):
    """X of an AnnData object [n, d] as a DataFrame with the names of its variables, where they have
    names: AnnData numbers them otherwise."""
    names = annotated.var_names
    if list(names) == [str(column) for column in range(len(names))]:
        return array
    return type(annotated.var)(array, columns=names)


def is_bytes(data):
    kind = torch.uint8 if isinstance(data, torch.Tensor) else np.uint8
    return getattr(data, "dtype", None) == kind


def flat_images(data):
    """Images [n, c, h, w] as rows, bytes scaled to [-1, 1], and [c, h, w]; other data as it is."""
    if not isinstance(data, (np.ndarray, torch.Tensor)) or data.ndim != 4:
        return data, None
    rows = data.reshape(len(data), -1)
    if is_bytes(rows):
        rows = (rows.float() if isinstance(rows, torch.Tensor) else rows.astype(np.float32))
        rows = rows / 127.5 - 1
    return rows, tuple(data.shape[1:])


def as_bytes(images):
    """Numbers in [-1, 1] as bytes, rounded; what lies outside is clipped."""
    return ((images.detach() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def from_torch(points, name, columns):
    require_plain(points, name)
    if name == "target" and points.dim() == 2 and columns is not None:
        require_same_dimension(columns, points.shape[1])
    if points.dim() != 2 or (columns is not None and points.shape[1] != columns):
        raise ValueError(f"{name}: expected points [n, {columns or 'd'}], "
                         f"got {shape_text(points.shape)}")
    converted = points if points.is_floating_point() else points.double()
    require_finite(converted.float(), name)
    return converted


def shape_of(data):
    """The shape of what is or can be an array."""
    return tuple(data.shape if hasattr(data, "shape") else np.asarray(data).shape)


def require_table(data, name):
    """ValueError on one list of numbers, and on one number."""
    shape = shape_of(data)
    if len(shape) < 2:
        raise ValueError(f"{name}: expected points [n, d], got {shape_text(shape)}. Reshape your "
                         "data: .reshape(-1, 1) where d is 1, .reshape(1, -1) where n is")


class Points:
    """Points of a user as a tensor [n, d], and results beside them in the user's kind.

    They have as many columns as the estimator has features, or another number, or ``ANY``.
    ``shape`` is [c, h, w] where they are images, and None where they are not.
    """

    def __init__(self, estimator, data, name, *, reset=False, use_rep=None, least_rows=1,
                 columns=None):
        self.annotated, self.use_rep = data if is_anndata(data) else None, use_rep
        self.given = unwrap(data, use_rep)
        self.data, self.shape = flat_images(self.given)
        if isinstance(self.data, torch.Tensor):
            wanted = None if reset or columns == ANY else columns or estimator.n_features_in_
            self.tensor = from_torch(self.data, name, wanted)
            if reset:
                estimator.n_features_in_ = self.tensor.shape[1]
                vars(estimator).pop("feature_names_in_", None)
            return
        require_table(self.data, name)
        require_real(self.data, name)
        try:
            array = self._checked(estimator, name, reset, least_rows, columns)
        except ValueError as error:  # NumPy's, which does not say of what
            if not str(error).startswith("could not convert"):
                raise
            raise ValueError(f"{name}: {error}") from None
        self.dtype = array.dtype
        with np.errstate(over="ignore"):  # refused as not finite below
            self.tensor = tensor_of(array.astype(np.float32, order="C", copy=False))
        require_finite(self.tensor, name)

    def _checked(self, estimator, name, reset, least_rows, columns):
        data = self.data
        if self.annotated is not None and self.use_rep is None:
            data = named(data, self.annotated)
        shape = shape_of(data)
        if name == "target" and columns is None:
            require_same_dimension(estimator.n_features_in_, shape[1])
        rules = {"order": "C", "copy": False, "dtype": [np.float64, np.float32],
                 "ensure_all_finite": False, "ensure_min_samples": least_rows}
        if columns == ANY and shape[-1] == estimator.n_features_in_:
            columns = None
        if reset or columns is None or columns == estimator.n_features_in_:
            return validate_data(estimator, data, reset=reset, **rules)
        array = check_array(data, estimator=estimator, **rules)
        if columns not in (ANY, array.shape[1]):
            raise ValueError(f"X has {array.shape[1]} features, but {type(estimator).__name__} is "
                             f"expecting {columns} features as input")
        return array

    def like(self, result):
        """A result [n, ...] as a tensor, a DataFrame with the same index, an array, or, where it is
        points of the same shape, in their place in a copy of an AnnData object.

        Of images, results that are images are so again, and bytes where those were bytes.
        """
        dtype = getattr(self, "dtype", None)
        if self.shape is not None and result.ndim >= 2:
            result = result.reshape(*result.shape[:-1], *self.shape)
            if is_bytes(self.given):
                result, dtype = as_bytes(result), np.uint8
        if isinstance(self.data, torch.Tensor):
            return result
        array = result.numpy().astype(dtype, copy=False)
        if hasattr(self.data, "iloc") and array.ndim == 2 and array.shape == self.data.shape:
            array = type(self.data)(array, index=self.data.index, columns=self.data.columns)
        if self.annotated is not None and array.shape == self.data.shape:
            return self._annotated_like(array)
        return array

    def _annotated_like(self, array):
        moved = self.annotated.copy()
        if self.use_rep is None:
            moved.X = array
        else:
            moved.obsm[self.use_rep] = array
        return moved
