// Package adapters shows that code which takes a net.Conn runs over wsstream.NetConn unchanged.
// Each example has a file of its own, and all run with
//
//	go test ./examples/adapters
package adapters
