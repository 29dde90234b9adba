BEGIN { held = "xxxxxxxxxxxxxxxx"; for (i = 0; i < 24; i++) held = held held }
