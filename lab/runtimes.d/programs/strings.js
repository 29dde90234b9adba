const held = [];
for (let i = 0; i < 64; i++) held.push(String.fromCharCode(65 + i % 26).repeat(1 << 20).split(''));
