"""Bad input is refused in one line, and nothing is overwritten or left behind."""

import resource
import shutil
import signal
import subprocess
import time

import numpy
import pytest

from command_line import TINY, fit_arguments, needs_root


def spoiled(kind, value, folder):
    array = numpy.ones((30, 2), "f4")
    array[7, 1] = value
    numpy.save(folder / f"{kind}.npy", array)


@pytest.fixture(scope="module")
def inputs(fitted):
    folder = fitted.folder
    whole = (folder / "a.npy").read_bytes()
    (folder / "empty.npy").write_bytes(b"")
    (folder / "cut.npy").write_bytes(whole[:200])
    (folder / "text.npy").write_text("hello\n")
    (folder / "array.csv").write_bytes(whole)
    (folder / "word.csv").write_text("1,2\n3,x\n")
    (folder / "ragged.csv").write_text("1,2\n3\n")
    (folder / "header.csv").write_text("a,b\n")
    (folder / "numbers.txt").write_text("1 2\n")
    (folder / "text.jpg").write_text("hello\n")
    spoiled("nan", numpy.nan, folder)
    spoiled("infinite", -numpy.inf, folder)
    numpy.save(folder / "huge.npy", numpy.full((30, 2), 1e300))
    numpy.save(folder / "texts.npy", numpy.array(["a", "b"]))
    numpy.save(folder / "none.npy", numpy.zeros((0, 2)))
    numpy.save(folder / "line.npy", numpy.arange(30.0))
    numpy.savez(folder / "two.npz", x=numpy.ones((30, 2)), y=numpy.ones((30, 2)))
    return fitted


@pytest.mark.parametrize("name, words", [
    ("missing.npy", "expected a file, got none"), ("empty.npy", "an empty file"),
    ("cut.npy", "2400 bytes"), ("text.npy", "got text"), ("array.csv", "got an npy array"),
    ("word.csv", "line 2, column 2"), ("ragged.csv", "line 2"), ("header.csv", "at least one row"),
    ("numbers.txt", "numbers.txt: expected"), ("nan.npy", "row 7, column 1"),
    ("infinite.npy", "row 7, column 1"), ("huge.npy", "row 0"), ("texts.npy", "got texts"),
    ("none.npy", "at least one row"), ("line.npy", "dimension"), ("two.npz", "two.npz:x"),
    ("two.npz:z", "'x', 'y'")])
def test_bad_array(inputs, name, words):
    assert words in inputs.refuses(*fit_arguments(source=name, out="new"))
    assert words in inputs.refuses("apply", "run", "--in", name, "--out", "new.npy")


@pytest.mark.parametrize("points, words", [
    (numpy.ones((1, 2)), "points, got 1"), (numpy.ones((2, 2)), "at least 4 points, got 2"),
    (numpy.ones((300, 2)), "points that differ")])
def test_too_little_to_learn_from(monge, points, words):
    monge.save("few.npy", points)
    assert words in monge.refuses(*fit_arguments(source="few.npy"))
    assert words in monge.refuses(*fit_arguments(target="few.npy"))


@pytest.mark.parametrize("setting, words", [
    ("train.max_step=5", "'max_steps'"), ("trian.max_steps=5", "'train'"),
    ("train.max_steps=-5", "at least 0, got -5"), ("train.max_steps=foo", "an integer, got text"),
    ("train.max_steps=2.5", "got number 2.5"), ("solver.name=w2gan", "'w2gn'"),
    ("source.name=gausian", "'gaussian'"), ("solver.start=bar", "affine | identity"),
    ("network.hidden=[a]", "a list of integers"), ("network.hidden=[8, 0]", "1 to 65536"),
    ("network.name=x", "unknown network"), ("cost.name=x", "unknown cost"), ("foo", "no '='"),
    ("seed=-1", "at least 0"), ("seed=x", "an integer"), ("solver.=1", "unknown key")])
def test_bad_setting(fitted, setting, words):
    assert words in fitted.refuses(*fit_arguments("--set", setting, out="new"))


@pytest.mark.parametrize("text, words", [
    ("[source]\nname = 3\n", "source.name: expected a text"), ("x y", "line 1"),
    ("seed = 1\n[trian]\n", "line 2: unknown key 'trian'; did you mean 'train'?"),
    ("train = 3\n", "a table"), ("[train]\nmax_steps = 2020-01-01\n", "date")])
def test_bad_config(monge, text, words):
    (monge.folder / "config.toml").write_text(text)
    assert words in monge.refuses("fit", "config.toml", "--out", "run")


@pytest.mark.parametrize("arguments, words", [
    ([], "subcommand"), (["fitt"], "did you mean 'fit'?"), (["fit", "--foo"], "--foo"),
    (["fit"], "source"), (["fit", "no.toml"], "no.toml"), (["fit", "--resume"], "--out"),
    (["fit", "--resume", "--out", "no"], "no such folder"),
    (["fit", "--resume", "--out", "a.npy"], "a file"),
    (["fit", "--resume", "--out", "."], "config.toml"),
    (["fit", "--recipe", "colur"], "did you mean 'colour'?"),
    (["apply", "run", "--in", "a.npy", "--out", "b.npy"], "--force"),
    (["apply", "run", "--in", "a.npy", "--out", "no/c.npy"], "folder 'no'"),
    (["apply", "run", "--in", "a.npy", "--out", "a.npy/c.npy"], "a.npy/c.npy"),
    (["apply", "run", "--in", "a.npy", "--out", "c.foo"], ".foo"),
    (["apply", "run", "--in", "no/", "--out", "out/"], "no/: expected a file or a folder"),
    (["fit", "--source", "no/", "--target", "a.npy"], "no/: expected a file or a folder"),
    (["apply", "no", "--in", "a.npy", "--out", "c.npy"], "no: expected"),
    (["apply", "a.npy", "--in", "a.npy", "--out", "c.npy"], "npy array"),
    (["apply", "run/checkpoint.safetensors", "--in", "a.npy", "--out", "c.npy"], "a map file"),
    (["evaluate", "."], "config.toml"), (["report", "no"], "no such folder"),
    (["describe", "w2gan"], "'w2gn'"), (["list", "more"], "more"),
    (["colour", "text.jpg", "text.jpg", "-o", "x.png"], "picture"),
    (["colour", "no.jpg", "no.jpg", "-o", "x.png"], "no such file"),
    (["colour", "a.npy", "a.npy", "-o", "x.png"], "picture"),
    (["colour", "a.npy", "a.npy", "-o", "x.txt"], "extension"),
    (["colour", "a.npy", "a.npy", "-o", "x.png", "--lut", "./x.png"], "twice"),
    (["colour", "a.npy", "a.npy", "-o", "x.png", "--lut", "b.npy"], "--force"),
    (["colour", "a.npy", "a.npy", "-o", "x.png", "--save-map", "b.npy"], "--force")])
def test_bad_command(inputs, arguments, words):
    assert words in inputs.refuses(*arguments)


@pytest.mark.parametrize("option", ["features", "perceptual", "statistics"])
def test_files_that_images_are_compared_by_are_read_before_training(monge, option):
    pixels = numpy.arange(60 * 16 * 16).reshape(60, 1, 16, 16) // 64
    numpy.save(monge.folder / "images.npy", pixels.astype("uint8"))
    numpy.save(monge.folder / "points.npy", numpy.eye(60, 2))
    for name, kind in (("points", "array"), ("images", "images")):
        sides = [text for side in ("source", "target")
                 for text in (f"--{side}={name}.npy", f"--set={side}.name={kind}")]
        said = monge.refuses("fit", "--out", name, *sides, "--set", f"evaluate.{option}=no.npz")
        assert (f"evaluate.{option}: expected a target of images" if name == "points" else
                "no.npz: expected a file, got none") in said
        assert not (monge.folder / name).exists()


def test_a_run_is_kept_and_only_a_run_is_replaced(fitted):
    assert "--force" in fitted.refuses(*fit_arguments())
    (fitted.folder / "home" / "events").mkdir(parents=True)
    (fitted.folder / "home" / "events" / "diary").write_text("dear\n")
    for force in ([], ["--force"]):
        assert "other things" in fitted.refuses(*fit_arguments(*force, out="home"))
        assert "a file" in fitted.refuses(*fit_arguments(*force, out="a.npy"))
    assert "Not a directory" in fitted.refuses(*fit_arguments(out="a.npy/run"))


def test_a_run_without_checkpoint_says_what_to_do(monge):
    monge.fits(steps=1)
    (monge.folder / "run" / "checkpoint.safetensors").unlink()
    assert "--force" in monge.refuses("fit", "--resume", "--out", "run")
    monge.fits("--force", steps=1)


@pytest.mark.parametrize("kind", ["map", "checkpoint"])
def test_damaged_files(fitted, tmp_path, kind):
    shutil.copytree(fitted.folder / "run", tmp_path / "run")
    path = tmp_path / "run" / f"{kind}.safetensors"
    whole = path.read_bytes()
    random = numpy.random.default_rng(1)

    def refused():
        command = (["apply", "run", "--in", fitted.folder / "a.npy", "--out", "c.npy"]
                   if kind == "map" else ["fit", "--resume", "--out", "run"])
        return fitted.refuses(*command, cwd=tmp_path)

    for length in [0, 5, 300, len(whole) - 1]:
        path.write_bytes(whole[:length])
        refused()
    for place in random.integers(8, len(whole), 6):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(random.integers(8))
        path.write_bytes(flipped)
        refused()
    # Of another version: without the checksum, which would notice the edit first.
    assert whole.count(b'"version":"1"') == 1
    path.write_bytes(whole.replace(b'"version":"1"', b'"version":"0"')
                     .replace(b'"checksum"', b'"checksu_"'))
    assert "version" in refused()
    path.write_bytes((fitted.folder / "a.npy").read_bytes())
    assert "npy array" in refused()


def test_a_checkpoint_of_another_network_changes_nothing(monge):
    monge.fits(steps=1)
    monge.fits("--set", "network.hidden=[6]", steps=1, out="other")
    shutil.copy(monge.folder / "other" / "checkpoint.safetensors", monge.folder / "run")
    assert "expected" in monge.refuses("fit", "--resume", "--out", "run",
                                       "--set", "train.max_steps=9")


def limited(size):
    def prepare():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return prepare


@pytest.mark.parametrize("size", [100, 4000])
def test_no_room_for_a_run(monge, size):
    """Too little for the config, then too little for the map."""
    assert "too large" in monge.refuses(*fit_arguments(), preexec_fn=limited(size))


@pytest.mark.parametrize("extension", ["npy", "npz", "safetensors", "csv"])
def test_no_room_for_an_array(fitted, extension):
    fitted.refuses("apply", "run", "--in", "a.npy", "--out", f"c.{extension}",
                   preexec_fn=limited(1000))


@pytest.fixture
def photographs(monge):
    """palette.png needs room; photo.png is half black and half grey, so that little will do."""
    image = pytest.importorskip("PIL.Image")
    noise = numpy.random.default_rng(1).integers(0, 256, (60, 60, 3)).astype("u1")
    image.fromarray(noise).save(monge.folder / "palette.png")
    plain = numpy.zeros_like(noise)
    plain[:30] = 200
    image.fromarray(plain).save(monge.folder / "photo.png")
    return monge


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.tif", "out.webp"])
def test_no_room_for_a_picture(photographs, name):
    assert name in photographs.refuses("colour", "palette.png", "photo.png", "-o", name, "--set",
                                       "train.max_steps=2", *TINY, preexec_fn=limited(500))


@pytest.mark.parametrize("option, name", [("--lut", "look.cube"), ("--save-map", "map.safetensors")])
def test_no_room_for_what_goes_with_a_picture(photographs, option, name):
    (photographs.folder / name).write_text("precious\n")
    run = photographs("colour", "photo.png", "palette.png", "-o", "small.png", option, name,
                      "--force", "--set", "train.max_steps=2", *TINY, preexec_fn=limited(2000))
    assert run.returncode == 1 and run.stderr.count("\n") == 1 and name in run.stderr
    assert (photographs.folder / name).read_text() == "precious\n"
    assert not list(photographs.folder.glob(".*"))


def test_a_full_standard_output_is_noticed(fitted):
    with open("/dev/full", "w") as full:
        run = subprocess.run([fitted.binary, "list"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert run.returncode == 1 and "standard output" in run.stderr


@needs_root
def test_a_read_only_folder(fitted, tmp_path):
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", tmp_path],
                          capture_output=True)
    if made.returncode:
        pytest.skip("may not mount")
    try:
        assert "Read-only" in fitted.refuses(*fit_arguments(out=tmp_path / "run"))
        fitted.refuses("apply", "run", "--in", "a.npy", "--out", tmp_path / "c.npy")
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@needs_root
def test_a_disk_that_fills_up_while_training(monge, tmp_path):
    """The run ends in one line, keeps what it had, and goes on once there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk],
                      capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        settings = ["--set", "train.checkpoint_seconds=0", "--set", "train.evaluate_every=20"]
        arguments = fit_arguments(*settings, out=disk / "run", steps=4000)
        process = subprocess.Popen([monge.binary, *map(str, arguments)], cwd=monge.folder,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        metrics = disk / "run" / "metrics.jsonl"
        while process.poll() is None and (not metrics.exists()
                                          or metrics.read_bytes().count(b"\n") < 5):
            time.sleep(0.001)
        filler = disk / "filler"
        with pytest.raises(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 1
        assert stderr.count("\n") == 1 and "No space left" in stderr
        filler.unlink()
        monge.works("fit", "--resume", "--out", disk / "run")
        monge.fits(*settings, steps=4000, out="whole")
        assert monge.tensors(disk / "run") == monge.tensors("whole")
        assert monge.lines(disk / "run") == monge.lines("whole")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_run_in_use_is_left_alone(monge):
    process = subprocess.Popen([monge.binary, *fit_arguments(steps=10**7)], cwd=monge.folder,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not (
                monge.folder / "run" / "checkpoint.safetensors").exists():
            time.sleep(0.001)
        for arguments in (fit_arguments("--force"), ["fit", "--resume", "--out", "run"]):
            run = monge(*arguments)
            assert run.returncode == 1 and "one in use" in run.stderr, run.stderr
    finally:
        process.kill()
        process.communicate()
    monge.works("fit", "--resume", "--out", "run", "--set", "train.max_steps=1")
