package adapters

import (
	"encoding/gob"
	"fmt"
	"io"
	"net"
)

type reading struct {
	Sensor string
	Values []float64
}

// A stream of Go values: gob describes a type once, and then sends values only, so it needs one
// stream and not messages.
func Example_gob() {
	nc, stop := dial(func(nc net.Conn) {
		defer nc.Close()
		enc := gob.NewEncoder(nc)
		for _, r := range []reading{
			{"roof", []float64{1.5, 2}},
			{"cellar", nil},
			{"yard", []float64{-3}},
		} {
			if err := enc.Encode(r); err != nil {
				return
			}
		}
	})
	defer stop()

	for dec := gob.NewDecoder(nc); ; {
		var r reading
		switch err := dec.Decode(&r); {
		case err == io.EOF:
			return
		case err != nil:
			fmt.Println(err)
			return
		}
		fmt.Println(r.Sensor, r.Values)
	}
	// Output:
	// roof [1.5 2]
	// cellar []
	// yard [-3]
}
