package adapters

import (
	"bufio"
	"fmt"
	"net"
	"strings"
)

// A protocol of lines, with a buffer on each side: a Flush is a message, however many lines it
// holds.
func Example_bufio() {
	nc, stop := dial(func(nc net.Conn) {
		defer nc.Close()
		out := bufio.NewWriter(nc)
		for in := bufio.NewScanner(nc); in.Scan(); {
			fmt.Fprintf(out, "%s\n%d bytes\n", strings.ToUpper(in.Text()), len(in.Text()))
			if err := out.Flush(); err != nil {
				return
			}
		}
	})
	defer stop()

	in := bufio.NewReader(nc)
	for _, line := range []string{"one line", "another"} {
		fmt.Fprintln(nc, line)
		for range 2 {
			answer, err := in.ReadString('\n')
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Print(answer)
		}
	}
	// Output:
	// ONE LINE
	// 8 bytes
	// ANOTHER
	// 7 bytes
}
