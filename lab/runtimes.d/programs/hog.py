held = []
for i in range(1024):
    held.append(bytearray(1 << 20))
