// Takes a GiB at once.
package main

func main() {
	block := make([]byte, 1<<30)
	block[len(block)-1] = 1
	println(len(block))
}
