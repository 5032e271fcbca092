package adapters

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// Records of a fixed size do not care in which messages they come.
func Example_readFull() {
	nc, stop := dial(func(nc net.Conn) {
		defer nc.Close()
		var records []byte
		for i := range uint32(5) {
			records = binary.BigEndian.AppendUint32(records, i*i)
		}
		for part := range 4 { // five records of four bytes in four messages of five bytes
			if _, err := nc.Write(records[part*5 : part*5+5]); err != nil {
				return
			}
		}
	})
	defer stop()

	record := make([]byte, 4)
	for {
		if _, err := io.ReadFull(nc, record); err != nil {
			fmt.Println(err) // io.EOF: the server has closed, and no record was cut
			return
		}
		fmt.Println(binary.BigEndian.Uint32(record))
	}
	// Output:
	// 0
	// 1
	// 4
	// 9
	// 16
	// EOF
}
