# A worker of which a test can ask anything: a task is a word and its argument.
import os
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.environ["WORKER_KIT"])
import memguard_worker

if "START" in os.environ:
    exec(os.environ["START"])

held = []


def handle(task):
    word, _, argument = task.decode().partition(" ")
    if word == "echo":
        return argument.encode()
    if word == "pid":
        return str(os.getpid()).encode()
    if word == "limit":
        import resource

        return str(resource.getrlimit(resource.RLIMIT_DATA)[0]).encode()
    if word == "sleep":
        time.sleep(float(argument))
        return b"slept"
    if word == "array":
        import array

        return array.array("d", [0, 0, 0])
    if word == "await":
        while not os.path.exists(argument):
            time.sleep(0.01)
        return b"there"
    if word == "eat":
        return str(len(bytearray(int(argument) << 20))).encode()
    if word == "hold":
        held.append(b"x" * (int(argument) << 20))
        return b"held"
    if word == "print":
        print("to stdout")
        subprocess.run(["sh", "-c", "echo from a child"], check=True)
        return b"printed"
    if word == "raise":
        raise ValueError(argument)
    if word == "exit":
        os._exit(int(argument))
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "flood":
        while True:
            os.write(2, b"x" * 4096)
    if word == "raw":  # what is written to the pool's pipe beside the kit
        os.write(ANSWERS, bytes.fromhex(argument))
        time.sleep(3600)
    if word == "babble":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(ANSWERS, b"Traceback")
        time.sleep(3600)
    if word == "twice":
        os.write(ANSWERS, struct.pack(">IcQ", 9, b"R", int(argument)))
        return b"second"
    if word == "close":
        os.closerange(3, 64)
        time.sleep(3600)
    if word == "refused":
        os.write(ANSWERS, struct.pack(">IcQ", 9 + 4, b"M", int(argument)) + b"much")
        os._exit(0)
    if word == "leave":
        left = subprocess.Popen(["sleep", "3600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(argument, "w") as file:
            file.write(str(left.pid))
        os._exit(1)
    if word == "die-once":
        if os.path.exists(argument):
            return b"done"
        with open(argument, "w"):
            pass
        os.kill(os.getpid(), signal.SIGKILL)
    raise ValueError("no such word: " + word)


ANSWERS = os.dup(1)
memguard_worker.serve(handle)
