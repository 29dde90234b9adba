held <- list()
for (i in 1:128) held[[i]] <- numeric(2^20) + 1
