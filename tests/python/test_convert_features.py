"""The converter of published weights, and what `monge evaluate` says of files that do not fit."""

import importlib.util
import pathlib
import shutil

import numpy
import pytest

torch = pytest.importorskip("torch")
safe_open = pytest.importorskip("safetensors").safe_open

CONVERTER = pathlib.Path(__file__).resolve().parents[2] / "python/monge/convert_features.py"
HEADS = {f"lin{index}.model.1.weight": torch.rand(1, width, 1, 1)
         for index, width in enumerate([64, 192, 384, 256, 256])}
TRUNK = {name: torch.rand(shape) for name, shape in {
    "features.0.weight": (64, 3, 11, 11), "features.0.bias": (64,),
    "features.3.weight": (192, 64, 5, 5), "features.3.bias": (192,),
    "features.6.weight": (384, 192, 3, 3), "features.6.bias": (384,),
    "features.8.weight": (256, 384, 3, 3), "features.8.bias": (256,),
    "features.10.weight": (256, 256, 3, 3), "features.10.bias": (256,),
    "classifier.1.weight": (2, 3)}.items()}


def convert(*arguments):
    """The converter in this process: importing torch takes seconds."""
    location = importlib.util.spec_from_file_location("convert_features", CONVERTER)
    module = importlib.util.module_from_spec(location)
    location.loader.exec_module(module)
    return module.main([str(argument) for argument in arguments])


def refuses(*arguments):
    """One line, and no file; returns the line."""
    with pytest.raises(SystemExit) as refusal:
        convert(*arguments)
    line = str(refusal.value)
    assert line and "\n" not in line
    assert not pathlib.Path(arguments[-1]).exists()
    return line


@pytest.fixture
def folder(tmp_path):
    torch.save(TRUNK, tmp_path / "trunk.pth")
    torch.save(HEADS, tmp_path / "heads.pth")
    return tmp_path


def test_lpips_keeps_the_trunk_and_the_heads(folder):
    convert("lpips", folder / "trunk.pth", folder / "heads.pth", folder / "out.safetensors")
    with safe_open(folder / "out.safetensors", "numpy") as file:
        assert file.metadata()["network"] == "lpips_alex"
        assert len(file.keys()) == 15
        numpy.testing.assert_array_equal(file.get_tensor("head.4"),
                                         HEADS["lin4.model.1.weight"].flatten().numpy())
    assert sorted(path.name for path in folder.iterdir()) == [
        "heads.pth", "out.safetensors", "trunk.pth"]


def test_inception_keeps_what_pool3_needs(folder):
    state = {"Conv2d_1a_3x3.conv.weight": torch.rand(32, 3, 3, 3),
             "Conv2d_1a_3x3.bn.running_mean": torch.rand(32),
             "Conv2d_1a_3x3.bn.num_batches_tracked": torch.tensor(3),
             "Mixed_7c.branch_pool.conv.weight": torch.rand(192, 2048, 1, 1),
             "AuxLogits.conv0.conv.weight": torch.rand(2, 2, 1, 1), "fc.weight": torch.rand(3, 2)}
    torch.save(state, folder / "inception.pth")
    convert("inception", folder / "inception.pth", folder / "out.safetensors")
    with safe_open(folder / "out.safetensors", "numpy") as file:
        assert file.metadata()["network"] == "inception_v3_fid"
        assert sorted(file.keys()) == ["Conv2d_1a_3x3.bn.running_mean", "Conv2d_1a_3x3.conv.weight",
                                       "Mixed_7c.branch_pool.conv.weight"]


class Code:
    """What runs when it is unpickled."""

    def __reduce__(self):
        return print, ("executed",)


def test_what_does_not_fit_is_one_line(folder, capsys):
    out = folder / "out.safetensors"

    def lpips(*files):
        return refuses("lpips", *(folder / file for file in files), out)

    assert "expected a tensor 'lin0.model.1.weight', got none" in lpips("trunk.pth", "trunk.pth")
    assert "none.pth" in lpips("none.pth", "heads.pth")
    torch.save({**HEADS, "lin4.model.1.weight": torch.rand(1, 7, 1, 1)}, folder / "odd.pth")
    assert "expected the heads of AlexNet or VGG-16" in lpips("trunk.pth", "odd.pth")
    torch.save({**TRUNK, "features.0.weight": torch.rand(64, 3, 3, 3)}, folder / "vgg.pth")
    assert "expected the trunk of the alex heads" in lpips("vgg.pth", "heads.pth")
    (folder / "text.pth").write_text("no weights")
    assert "text.pth" in lpips("text.pth", "heads.pth")
    assert "expected a tensor 'Conv2d_1a_3x3.conv.weight'" in refuses(
        "inception", folder / "trunk.pth", out)
    torch.save({"a": Code()}, folder / "code.pth")
    assert "load without code" in lpips("code.pth", "heads.pth")
    assert "executed" not in capsys.readouterr().out


def test_evaluate_refuses_files_that_do_not_fit(image_run, tmp_path):
    torch.save(TRUNK, tmp_path / "trunk.pth")
    numpy.savez(tmp_path / "statistics.npz", mu=numpy.zeros(3), sigma=numpy.eye(3))
    assert "a safetensors file" in image_run.refuses("evaluate", "run", "--features",
                                                     tmp_path / "trunk.pth")
    assert "none.safetensors" in image_run.refuses("evaluate", "run", "--perceptual",
                                                   "none.safetensors")
    assert "expected statistics of the 128 features" in image_run.refuses(
        "evaluate", "run", "--statistics", tmp_path / "statistics.npz")
    numpy.savez(tmp_path / "statistics.npz", mu=numpy.zeros(3))
    assert "sigma" in image_run.refuses("evaluate", "run", "--statistics",
                                        tmp_path / "statistics.npz")
    assert "can only change [evaluate]" in image_run.refuses("evaluate", "run", "--set",
                                                             "train.max_steps=3")


def test_evaluate_reads_statistics_that_numpy_wrote(image_run, tmp_path):
    numpy.savez(tmp_path / "statistics.npz", mu=numpy.zeros(128),
                sigma=numpy.asfortranarray(numpy.eye(128)))
    shutil.copytree(image_run.folder / "run", tmp_path / "run")
    assert "offline_frechet_statistics" in image_run.works(
        "evaluate", tmp_path / "run", "--statistics", tmp_path / "statistics.npz")
