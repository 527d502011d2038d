"""Runs the consumer tests of push in an environment of their own, so that running the service does not
install Pact's library. It is made once for each content of the two requirements.txt."""

import hashlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
LISTS = [HERE.parent / "requirements.txt", HERE / "requirements.txt"]


def environment() -> pathlib.Path:
    """Returns the folder of the environment, which is made where it is not there."""
    wanted = hashlib.sha256(b"".join(p.read_bytes() for p in LISTS)).hexdigest()
    venv = HERE / ".venv"
    stamp = venv / "made-of"
    if stamp.exists() and stamp.read_text() == wanted:
        return venv
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    lists = [word for p in LISTS for word in ("-r", str(p))]
    subprocess.run([str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *lists], check=True)
    stamp.write_text(wanted)
    return venv


def main() -> None:
    try:
        python = environment() / "bin" / "python"
    except subprocess.CalledProcessError:
        sys.exit(3)  # no test has failed: there is none without the library
    env = os.environ | {"PYTHONPATH": str(HERE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    os.chdir(HERE)
    os.execve(python, [str(python), "-m", "unittest", "test_contract"], env)


main()
