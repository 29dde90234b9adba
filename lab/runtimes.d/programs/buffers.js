const held = [];
for (let i = 0; i < 64; i++) held.push(Buffer.alloc(1 << 24, 1));
