const held = [];
for (let i = 0; i < 8; i++) held.push(new WebAssembly.Memory({initial: 2048}));
