import os
import threading
import time
for i in range(200):
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
os._exit(0)
