"""Points of every kind that users have, as tensors for the core, and back in the same kind."""

import collections.abc
import numbers

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


def _not_numbers(array):
    """What an array or a column holds that is no number, in the program's words; None otherwise."""
    kind = array.dtype.kind
    return {"O": "Python objects", "U": "texts", "S": "texts", "T": "texts", "V": "records",
            "m": "times", "M": "times", "c": "complex numbers"}.get(kind)


def require_numbers(array, name):
    """ValueError on numbers that are none of the real line and on masked entries, TypeError on
    what is no number."""
    found = _not_numbers(array)
    if found is not None:
        text = (f"{name}: expected bool, integers, float16, float32 or float64, got {found} "
                f"(dtype {array.dtype})")
        if array.dtype.kind == "c":  # scikit-learn's contract has these words
            raise ValueError(f"{text}. Complex data not supported")
        raise TypeError(text)
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise ValueError(f"{name}: expected points without masked entries")


def is_frame(data):
    return hasattr(data, "iloc") and hasattr(data, "columns")


def is_sparse(data):
    """Whether it is of SciPy's sparse kinds."""
    return hasattr(data, "tocsr")


def array_of(data, name):
    """An array or list as an array of numbers, a DataFrame of numbers as it is.

    ValueError on rows of different lengths, TypeError on what is no number, or is sparse.
    """
    if is_frame(data):
        for label, column in data.items():
            require_numbers(column, f"{name}, column {label!r}")
        return data
    if is_sparse(data):
        raise TypeError(f"{name}: expected a dense array, got a sparse {type(data).__name__}")
    if data is None or isinstance(data, (collections.abc.Mapping, collections.abc.Set,
                                         collections.abc.Iterator, numbers.Number, str)):
        raise TypeError(f"{name}: expected points, got {type(data).__name__}")
    try:
        array = np.asanyarray(data)  # a masked one stays masked
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise ValueError(f"{name}: expected points [n, d], got rows of different lengths") from None
    require_numbers(array, name)
    return data if hasattr(data, "columns") else array


def require_plain(tensor, name):
    """ValueError on a tensor elsewhere than on the processor, TypeError on a sparse one and on one
    of other than real numbers."""
    if tensor.device.type != "cpu":
        raise ValueError(f"{name}: expected a tensor on the cpu, got one on {tensor.device}")
    if tensor.layout != torch.strided:
        raise TypeError(f"{name}: expected a dense tensor, got {tensor.layout}")
    if tensor.is_complex() or tensor.is_quantized:
        raise TypeError(f"{name}: expected real numbers, got {tensor.dtype}")


def numbers_of(data, name):
    """An array or list of any shape as a tensor of real numbers; a tensor as it is."""
    if not isinstance(data, torch.Tensor):
        array = np.asarray(array_of(data, name))
        single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
        data = torch.from_numpy(np.ascontiguousarray(array, np.float32 if single else np.float64))
    require_plain(data, name)
    return data


def finite_numbers(data, name, dtype):
    """An array, list or tensor of any shape as a tensor of finite numbers of that dtype."""
    found = numbers_of(data, name).to(dtype)
    require_finite(found, name)
    return found


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


def from_torch(points, name, columns, least_rows=1):
    require_plain(points, name)
    require_points(points.shape, name, least_rows)
    if name == "target" and columns is not None:
        require_same_dimension(columns, points.shape[1])
    if columns is not None and points.shape[1] != columns:
        raise ValueError(f"{name}: expected points [n, {columns}], got {shape_text(points.shape)}")
    converted = points if points.is_floating_point() else points.double()
    require_finite(converted.float(), name)
    return converted


def require_points(shape, name, least_rows=1):
    """ValueError unless it is the shape of so many points; scikit-learn's contract has some of
    the words."""
    if len(shape) < 2:
        raise ValueError(f"{name}: expected points [n, d], got {shape_text(shape)}. Reshape your "
                         "data: .reshape(-1, 1) where d is 1, .reshape(1, -1) where n is")
    if len(shape) != 2:
        raise ValueError(f"{name}: expected points [n, d] or images [n, c, h, w], "
                         f"got {shape_text(shape)}")
    n, d = shape
    if d == 0:
        raise ValueError(f"{name}: expected at least one column, got 0 feature(s) "
                         f"(shape=({n}, 0)) while a minimum of 1 is required.")
    if n == 0:
        raise ValueError(f"{name}: expected at least one row, got none")
    if n < least_rows:
        raise ValueError(f"{name}: expected at least {least_rows} points, got n_samples = {n}")


def _require_same_names(estimator, data, name):
    """ValueError on a table of the fit's width whose columns have other names than the fit's."""
    given = [str(column) for column in getattr(data, "columns", ())]
    wanted = list(getattr(estimator, "feature_names_in_", ()))
    if wanted and len(given) == len(wanted) and given != wanted:
        raise ValueError(f"{name}: expected the source's columns {', '.join(wanted)}, "
                         f"got {', '.join(given)}")


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
            self.tensor = from_torch(self.data, name, wanted, least_rows)
            if reset:
                estimator.n_features_in_ = self.tensor.shape[1]
                vars(estimator).pop("feature_names_in_", None)
            return
        self.data = array_of(self.data, name)
        require_points(self.data.shape, name, least_rows)
        array = self._checked(estimator, name, reset, columns)
        self.dtype = array.dtype
        with np.errstate(over="ignore"):  # refused as not finite below
            self.tensor = tensor_of(array.astype(np.float32, order="C", copy=False))
        require_finite(self.tensor, name)

    def _checked(self, estimator, name, reset, columns):
        data = self.data
        if self.annotated is not None and self.use_rep is None:
            data = named(data, self.annotated)
        width = data.shape[1]
        if name == "target" and columns is None:
            require_same_dimension(estimator.n_features_in_, width)
        rules = {"order": "C", "copy": False, "dtype": [np.float64, np.float32],
                 "ensure_all_finite": False}
        if columns == ANY and width == estimator.n_features_in_:
            columns = None
        any_width = reset or columns == ANY
        wanted = width if any_width else columns or estimator.n_features_in_
        if name != "X" and width != wanted:  # scikit-learn would call it X
            raise ValueError(f"{name}: expected points [n, {wanted}], got {shape_text(data.shape)}")
        if name != "X" and not reset:
            _require_same_names(estimator, data, name)
        elif reset or columns is None or columns == estimator.n_features_in_:
            return validate_data(estimator, data, reset=reset, **rules)
        array = check_array(data, estimator=estimator, **rules)
        if columns not in (ANY, None, array.shape[1]):
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
