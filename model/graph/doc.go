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
// Lines of package stream were broken on purpose, one at a time. The table has the number of programs
// after which the first of them broke a law, in one run of 2026-11-29 on 2 cores.
//
//	what was broken                                            programs
//	an inline operator cancels its source without the cause           1
//	a Queue holds one chunk above its mark                            2
//	a panic on a goroutine becomes an error                           3
//	a Pull wakes no Write                                             4
//	BatchNow takes one chunk                                          7
//	Merge pulls without demand                                       16
//	Parallel holds one chunk too many                                45
//	a dropped chunk is not counted                                   46
//	Tee ends when one branch is cancelled                            57
//	Batch loses what it holds when a context ends                   119
//	a batch comes late                                              604
//	Parallel does not cancel its source when its function fails     689
//	DropOldest holds one chunk too many                            2028
//	a Pull whose context ends loses the chunk handed to it         2803
//
// Not found in 4000 programs: a Write that leaves a Queue wakes no call behind it. Only one writer
// writes to each Queue here; the tests of package stream cover that rule.
//
// The command for a long run: go test ./graph -rapid.checks=100000 -timeout 1h.
package graph
