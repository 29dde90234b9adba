import numpy
held = []
for i in range(16):
    held.append(numpy.ones(1 << 23))
