using System;
using System.Collections.Generic;
using System.Threading;

class Hog {
  static void Main(string[] args) {
    if (args.Length == 0) return;
    var held = new List<byte[]>();
    if (args[0] == "threads") {
      for (int i = 0; i < 500; i++) {
        var thread = new Thread(() => Thread.Sleep(-1));
        thread.IsBackground = true;
        thread.Start();
      }
    } else if (args[0] == "large") {
      held.Add(new byte[1 << 29]);
    } else {
      for (int i = 0; i < 1024; i++) held.Add(new byte[1 << 20]);
    }
  }
}
