BEGIN { held = "xxxxxxxxxxxxxxxx"; for (i = 0; i < 25; i++) held = held held }
