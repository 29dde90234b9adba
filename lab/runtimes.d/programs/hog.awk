BEGIN { for (i = 0; i < 2000000; i++) held[i] = "a text that takes some memory, number " i }
