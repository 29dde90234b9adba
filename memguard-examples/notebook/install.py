#!/usr/bin/env python3
"""Installs a Jupyter kernel that lives under `memguard run`: for the Python that runs this, so run it with the one your notebooks use."""
import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager

HERE = Path(__file__).resolve().parent


def kernel(memguard, memory):
    """What a kernelspec says; each option is explained in README.md."""
    guard = [memguard, "run", "--memory", memory, "--no-forward", "INT", "--die-with-parent", "--hang-grace", "never"]
    return {
        "argv": [*guard, "--", sys.executable, "{resource_dir}/kernel.py", "-f", "{connection_file}"],
        "display_name": f"Python 3 ({memory})",
        "language": "python",
        "interrupt_mode": "signal",
        "metadata": {"debugger": True},
    }


def install(memguard, memory, name, prefix=None):
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "kernel.json").write_text(json.dumps(kernel(memguard, memory), indent=2) + "\n")
        shutil.copy(HERE / "kernel.py", directory)
        return KernelSpecManager().install_kernel_spec(directory, name, user=prefix is None, prefix=prefix)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--memory", default="2GiB", metavar="SIZE", help="what a kernel may have (default: %(default)s)")
    options.add_argument("--name", default="memguard-python3", help="the kernelspec's name (default: %(default)s)")
    options.add_argument("--prefix", metavar="DIR", help="install below DIR, for example /opt/conda, and not for this user alone")
    options.add_argument("--memguard", default=shutil.which("memguard") or str(HERE.parents[1] / "bin" / "memguard"), metavar="PATH", help="the command (default: %(default)s)")
    given = options.parse_args()
    print(Path(install(given.memguard, given.memory, given.name, given.prefix), "kernel.json"))


if __name__ == "__main__":
    main()
