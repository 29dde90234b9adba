// Takes a GiB.
package main

func main() {
	var all [][]byte
	for i := 0; i < 1024; i++ {
		block := make([]byte, 1<<20)
		for j := range block {
			block[j] = 1
		}
		all = append(all, block)
	}
	println(len(all))
}
