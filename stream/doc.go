// Package stream makes pipelines of chunks with backpressure, errors and cancellation both ways, for any T. It is what
// the Streams Standard is to the browser: pipes, transforms, tee, queuing strategies. It knows no WebSocket and no network;
// a connection is one source and one sink among others.
//
//	lines := stream.Lines(stream.FromReader(f, 4096), 64<<10)
//	hits := stream.Filter(lines, func(s string) bool { return strings.Contains(s, "error") })
//	defer hits.Cancel(nil)
//	for line, err := range stream.All(ctx, hits) {
//		…
//	}
//
// A loop over All without err compiles, and hands out a zero chunk at an end that is an error: take both.
//
// # The laws
//
//   - Nothing is pulled from a source before there is demand: a waiting Pull, or room below a high-water mark. A pipeline
//     holds the sum of its marks, whatever the speeds of its ends.
//   - A call whose context ends has consumed or written nothing, and the stream is as it was. A call whose context had
//     ended before fails at once with its cause.
//   - A clean end is a bare io.EOF. An error stops a stream behind the chunks that came before it, and stays.
//   - Cancel goes up the stream; Close, Fail and Abort go down, the first two behind all chunks
//     that were written. Cancel and Abort never wait for a peer and may be called again.
//   - Calls on one stream may be made at once, and are served in the order they came.
//   - Operators that call functions of the caller's inline (Map, Filter, FlatMap, Scan, Through, Lines, Unbatch, Decode) start
//     no goroutine and take no context: such a function must not wait. What waits goes into Parallel or Stage. Operators
//     with goroutines (Parallel, Stage, Tee, Merge) end with Cancel: defer it.
//   - A panic of a function reaches who pulls, with its stack, after both ends were shut.
//
// Streams Standard, https://streams.spec.whatwg.org.
package stream
