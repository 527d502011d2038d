"""Runs the consumer tests in an environment of their own, so that running the service does not install Pact's
library. It is made once for each content of the two lists of what is needed."""

import hashlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LISTS = [HERE.parent / "requirements.txt", HERE.parent / "requirements-dev.txt"]


def environment() -> pathlib.Path:
    """Returns the folder of the environment, which is made where it is not there."""
    wanted = hashlib.sha256(b"".join(p.read_bytes() for p in LISTS)).hexdigest()
    venv = HERE / ".venv"
    stamp = venv / "made-of"
    if stamp.exists() and stamp.read_text() == wanted:
        return venv
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for file in LISTS:
        subprocess.run([*pip, "--require-hashes", "-r", str(file)], check=True)
    stamp.write_text(wanted)
    return venv


def main() -> None:
    python = environment() / "bin" / "python"
    os.chdir(HERE.parent)
    os.execv(python, [str(python), "-B", "-m", "unittest", "test_contract"])


main()
