// Package graph compares package stream with a model. It runs random graphs of sources, operators
// and sinks, whose ends come at random moments.
//
// A [Program] is data: a graph, and what becomes of its ends. [Run] runs it in a synctest bubble. A
// probe on each edge of the graph logs every call. The model has one law for each operator: what
// the log of its edges may look like, given what its documentation promises. The laws are checked
// after each event, at each quiescent point, and at the end.
//
//   - Chunks: each once, in order, as the operator's function makes them.
//   - Ends: which error or panic arrives down the graph, and behind which chunks.
//   - Causes: what each source is cancelled with, once, and never after its end.
//   - Backpressure: no source is pulled without demand, and no mark is exceeded.
//   - Progress: at a quiescent point no call waits for what is there.
//   - Nothing is left: all calls return, and all goroutines end.
//
// The command for a long run: go test ./graph -rapid.checks=100000 -timeout 1h.
package graph
