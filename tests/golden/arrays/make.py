"""Writes the arrays of this folder with numpy and safetensors: files as other programs make them.

Every array holds the same points, row i being (3 i, 3 i + 1, 3 i + 2) reduced to what its dtype can
hold, so that one expectation serves them all. Run from this folder; the results are committed.
"""

import io
import zipfile

import numpy as np
import safetensors.numpy

points = np.arange(12).reshape(4, 3)


def npy(array, version=None):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version=version, allow_pickle=True)
    return stream.getvalue()


def write(name, content):
    with open(name, "wb") as file:
        file.write(content)


for version in ((1, 0), (2, 0), (3, 0)):
    write(f"version{version[0]}.npy", npy(points.astype("<f4"), version))
write("fortran_big.npy", npy(np.asfortranarray(points.astype(">f8"))))
write("fortran_3d.npy", npy(np.asfortranarray(np.arange(24).reshape(4, 3, 2).astype("<i2"))))
write("objects.npy", npy(np.array([{}, []], dtype=object)))
write("structured.npy", npy(np.zeros(2, dtype=[("x", "<f4"), ("y", "<f4")])))
write("texts.npy", npy(np.array(["a", "bc"])))
write("complex.npy", npy(np.zeros((2, 2), np.complex64)))
write("dates.npy", npy(np.zeros(2, "<M8[s]")))

with zipfile.ZipFile("types.npz", "w", zipfile.ZIP_DEFLATED) as archive:
    for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"):
        for order in "<>":
            for layout in "CF":
                array = np.array(points.astype(order + kind), order=layout)
                archive.writestr(f"{kind}_{'little' if order == '<' else 'big'}_{layout}.npy", npy(array))
    archive.writestr("flags.npy", npy(points % 2 == 1))
np.savez("stored.npz", points.astype("f4"))
np.savez("two.npz", source=points, target=points + 100)
safetensors.numpy.save_file(
    {
        "points": points.astype("f4"),
        "flags": points % 2 == 1,
        "counts": points.astype("i8"),
        "wide": points.astype("f8"),
        "half": points.astype("f2"),
    },
    "numpy.safetensors",
    metadata={"made": "elsewhere"},
)
