"""An IPython kernel that keeps some room for itself: when a cell has used up its memory, enough is left to say so, and to run the next one."""
import mmap
import sys

sys.path.pop(0)  # this directory, which is no business of the notebooks

from ipykernel.kernelapp import IPKernelApp  # noqa: E402

ROOM = 32 << 20  # bytes; never touched, so that they take no memory, but they count against the limit


class Room:
    """Held while all is well, and given away for a traceback."""

    def __init__(self):
        self.held = None

    def take(self, *_):
        if self.held is None:
            try:
                self.held = mmap.mmap(-1, ROOM, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            except OSError:
                pass  # what filled the memory is still there; after the next cell, perhaps

    def give(self):
        if self.held is not None:
            self.held.close()
            self.held = None


def keep_room(shell):
    room = Room()
    room.take()

    def show(shell, kind, error, trace, tb_offset=None):
        room.give()
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)

    shell.set_custom_exc((MemoryError,), show)
    shell.events.register("post_run_cell", room.take)


if __name__ == "__main__":
    app = IPKernelApp.instance()
    app.initialize()
    keep_room(app.shell)
    app.start()
