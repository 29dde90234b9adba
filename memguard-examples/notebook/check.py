"""Checks, with Jupyter's own client, what becomes of a kernel under memguard: check.py MEMGUARD SCENARIO, or `all` of them."""
import os
import sys
import tempfile
import time
import uuid
from pathlib import Path

MARK = f"MEMGUARD_NOTEBOOK_CHECK={uuid.uuid4()}"
PATIENCE = 120  # seconds
MEMORY = "512MiB"


class Kernel:
    """A kernel that was started by its kernelspec, and a client of it."""

    def __init__(self):
        from jupyter_client import KernelManager

        name, value = MARK.split("=")
        self.manager = KernelManager(kernel_name="guarded")
        self.manager.start_kernel(env={**os.environ, name: value, "PYDEVD_DISABLE_FILE_VALIDATION": "1"})
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def run(self, code):
        """Runs a cell; returns 'ok' or the name of its exception."""
        reply = self.client.execute(code, reply=True, stop_on_error=False, timeout=PATIENCE)["content"]
        return reply.get("ename", reply["status"]).replace("_Array", "")  # NumPy's name for its own, in some versions

    def value(self, expression):
        reply = self.client.execute("", user_expressions={"it": expression}, reply=True, timeout=PATIENCE)["content"]
        it = reply["user_expressions"]["it"]
        return it["data"]["text/plain"] if it["status"] == "ok" else it["ename"]

    def begin(self, code):
        """Starts a cell that prints 'running', and returns when it has."""
        message = self.client.execute(code, stop_on_error=False)
        while True:
            said = self.client.get_iopub_msg(timeout=PATIENCE)
            if said["msg_type"] == "stream" and "running" in said["content"]["text"]:
                return message

    def end(self, message):
        while True:
            reply = self.client.get_shell_msg(timeout=PATIENCE)
            if reply["parent_header"].get("msg_id") == message:
                return reply["content"].get("ename", reply["content"]["status"])

    def interrupted(self, code):
        message = self.begin(code)
        self.manager.interrupt_kernel()
        return self.end(message)

    def shut_down(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()


def processes():
    """Everything that was started here and lives: the mark is in its environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and MARK.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((int(entry.name), (entry / "cmdline").read_text().replace("\0", " ")))
        except OSError:
            pass  # it has ended, or is another user's
    return found


def expect(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, but it was {actual!r}")


def eventually(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {PATIENCE} s: {what}; there is {processes()}")
        time.sleep(0.02)


def memory(kernel):
    """Too much is a MemoryError, at once and in small pieces, and nothing is lost."""
    expect(kernel.run("import os; pid = os.getpid(); kept = list(range(5))"), "ok")
    expect(kernel.run("held = bytearray(8 << 30)"), "MemoryError")
    expect(kernel.value("sum(kept)"), "10")
    expect(kernel.run("held = []\nwhile True: held.append(bytearray(1 << 20))"), "MemoryError")
    expect(kernel.value("len(held) > 100"), "True")
    expect(kernel.run("del held"), "ok")
    expect(kernel.run("held = []\nwhile True: held.append([len(held)])"), "MemoryError")
    expect(kernel.run("del held"), "ok")
    expect(kernel.run("1 / 0"), "ZeroDivisionError")
    expect(kernel.value("sum(kept), os.getpid() == pid"), "(10, True)")


def numpy(kernel):
    expect(kernel.run("import numpy as np; kept = np.arange(1000)"), "ok")
    expect(kernel.run("np.ones((40000, 40000))"), "MemoryError")
    expect(kernel.run("try: np.ones((40000, 40000))\nexcept MemoryError: refused = True"), "ok")
    expect(kernel.value("refused, kept.sum()"), "(True, 499500)")


def interrupt(kernel):
    """An interrupt reaches the cell and its children, and comes once."""
    expect(kernel.run("import os, signal, subprocess, time; kept = 7"), "ok")
    expect(kernel.interrupted("print('running', flush=True)\nwhile True: pass"), "KeyboardInterrupt")
    expect(kernel.interrupted("print('running', flush=True)\nsubprocess.run(['sleep', '1000'])"), "KeyboardInterrupt")
    # SIGUSR1 makes the way through memguard after the interrupt did, if that did.
    counted = """
came = []
for one in (signal.SIGINT, signal.SIGUSR1): signal.signal(one, lambda number, frame: came.append(number))
print('running', flush=True)
while not came: time.sleep(0.01)  # a signal right before pause() would not end that
os.kill(os.getppid(), signal.SIGUSR1)
while signal.SIGUSR1 not in came: time.sleep(0.01)
"""
    expect(kernel.interrupted(counted), "ok")
    expect(kernel.value("came.count(signal.SIGINT), kept"), "(1, 7)")


def restart(kernel):
    expect(kernel.run("kept = 7"), "ok")
    before = {pid for pid, _ in processes()}
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=PATIENCE)
    expect(kernel.value("kept"), "NameError")
    eventually(lambda: not before & {pid for pid, _ in processes()}, "nothing is left of the first one")
    expect(kernel.run("held = bytearray(8 << 30)"), "MemoryError")


def killed(kernel):
    """Whoever kills memguard alone has killed the kernel."""
    eventually(lambda: len(processes()) == 2, "memguard and the kernel are there, and nobody else")
    kernel.manager.provisioner.process.kill()
    eventually(lambda: not processes(), "the kernel ends with memguard")
    eventually(lambda: not kernel.manager.is_alive(), "Jupyter notices")


def outgrown(kernel):
    """Shared memory is not refused: the kernel is ended for it, Jupyter notices, and can start another one."""
    fill = "import mmap\nheld = mmap.mmap(-1, 4 << 30)\nwhile held.write(bytes(1 << 20)): pass"
    kernel.client.execute(fill)
    eventually(lambda: not kernel.manager.is_alive(), "the kernel is ended")
    expect(kernel.manager.provisioner.process.returncode, 137)
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=PATIENCE)
    expect(kernel.value("6 * 7"), "42")


SCENARIOS = {scenario.__name__: scenario for scenario in (memory, numpy, interrupt, restart, killed, outgrown)}


def check(name):
    kernel = Kernel()
    try:
        SCENARIOS[name](kernel)
    finally:
        kernel.shut_down()
    eventually(lambda: not processes(), "nothing is left after the shutdown")
    print(f"{name}: as it should be", flush=True)


def main(memguard, scenario):
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory() as directory:
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            os.environ[name] = str(Path(directory, name.lower()))
        from install import install  # which asks Jupyter where to, and so comes after that

        install(memguard, MEMORY, "guarded")
        for name in SCENARIOS if scenario == "all" else [scenario]:
            check(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
