// Package conn compares one connection with a model of it.
//
// A [Program] is drawn at random. It says what the connection is like, which calls several
// goroutines make, what a scripted peer sends and reads, and which faults the transport has. The
// machine runs the program, and records each call and each byte. Then the model judges the record.
//
// The peer has a codec of its own, and shares no code with wsstream.
package conn
