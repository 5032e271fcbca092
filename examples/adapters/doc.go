// Package adapters shows what runs over wsstream.NetConn unchanged: whatever takes a net.Conn. Each
// example stands in a file of its own, and all run with
//
//	go test ./examples/adapters
package adapters
