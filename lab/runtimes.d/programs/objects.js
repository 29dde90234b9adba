const held = [];
for (let i = 0; i < 8e6; i++) held.push({i, text: 'x' + i});
