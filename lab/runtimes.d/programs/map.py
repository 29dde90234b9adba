import mmap
held = []
for i in range(1024):
    held.append(mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE))
