"""What Monge is measured against. Each group of packages lives in an environment of its own."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def requirements_file(name):
    return ROOT / "tools" / f"requirements-peers-{name}.txt"


def environment(name):
    """The Python of build/peers/NAME, made from tools/requirements-peers-NAME.txt when it is
    missing or the requirements have changed."""
    requirements = requirements_file(name)
    folder = ROOT / "build" / "peers" / name
    stamp = folder / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    python = folder / "bin" / "python"
    if not stamp.exists():
        print(f"bench: installing {requirements.name} into {folder}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "-r", requirements], check=True)
        stamp.touch()
    return python
