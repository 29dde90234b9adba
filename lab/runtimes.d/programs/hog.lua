local held = {}
for i = 1, 1024 do held[i] = string.rep("x", 1 << 20) .. i end
