"""The progress line on a pseudo-terminal."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time

import pytest


def resize(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def run_on_terminal(program, columns, narrower=None, kind="xterm"):
    """What the program writes to a terminal of that width, which may shrink once "best" is shown."""
    ours, theirs = pty.openpty()
    resize(theirs, columns)
    written = bytearray()

    def read():
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                return
            written.extend(part)
            if narrower and b"best" in written:
                resize(ours, narrower)

    process = subprocess.Popen([program], stderr=theirs, env={**os.environ, "TERM": kind})
    os.close(theirs)
    reader = threading.Thread(target=read)
    reader.start()
    assert process.wait(timeout=60) == 0
    reader.join(timeout=10)
    os.close(ours)
    return written.decode()


def screen(text):
    """The lines a terminal would show in the end."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[\d*[A-Za-z]|\x1b\[[0-9;]*m|.|\n|\r", text):
        if token == "\r":
            column = 0
        elif token == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif token == "\x1b[K":
            lines[row] = lines[row][:column]
        elif token == "\x1b[J":
            lines[row] = lines[row][:column]
            del lines[row + 1:]
        elif token.startswith("\x1b[") and token.endswith("A"):
            row -= int(token[2:-1])
        elif not token.startswith("\x1b"):
            lines[row] = lines[row].ljust(column)[:column] + token + lines[row][column + 1:]
            column += 1
    return [line.rstrip() for line in lines]


def frames(text):
    return [part for part in re.split(r"\r\x1b\[(?:\d+A\x1b\[J|K)", text) if part.startswith("w2gn")]


@pytest.fixture(scope="module")
def program(sample):
    return sample("progress")


def test_line_is_drawn_and_gone_at_the_end(program):
    text = run_on_terminal(program, 120)
    assert [line for line in screen(text) if line] == [
        "monge: info: started", "monge: info: halfway", "monge: info: finished"]
    last = frames(text)[-1]
    assert re.fullmatch(r"w2gn  100 %  step 500/500  \d+ step/s  0:00 left  "
                        r"energy distance 0\.0031 \(best 0\.0029\)", last)


def test_ten_refreshes_a_second(program):
    start = time.monotonic()
    shown = [int(re.search(r"step (\d+)/", frame).group(1))
             for frame in frames(run_on_terminal(program, 120))]
    assert len(shown) <= 10 * (time.monotonic() - start) + 2
    # A step takes at least 2 ms, so that a tenth of a second has no more than 51 of them.
    assert all(0 < later - earlier <= 51 for earlier, later in zip(shown, shown[1:]))
    assert shown[-1] == 500


def test_line_fits_a_narrow_terminal(program):
    text = run_on_terminal(program, 30)
    assert all(0 < len(frame) < 30 for frame in frames(text))


def test_line_follows_a_terminal_made_narrower(program):
    text = run_on_terminal(program, 120, narrower=40)
    lengths = [len(frame) for frame in frames(text)]
    assert max(lengths) > 40
    assert all(length < 40 for length in lengths[-3:])
    assert text.count("\x1b[2A") + text.count("\x1b[1A") == 1


def test_nothing_is_drawn_where_there_is_no_terminal(program):
    run = subprocess.run([program], capture_output=True, text=True, check=True)
    assert run.stderr == "monge: info: started\nmonge: info: halfway\nmonge: info: finished\n"


def test_nothing_is_drawn_on_a_dumb_terminal(program):
    text = run_on_terminal(program, 120, kind="dumb")
    assert "w2gn" not in text and "finished" in text
