1000.times { Thread.new { sleep } }
