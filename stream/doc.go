// Package stream makes pipelines of chunks with backpressure, for chunks of any type. Errors and
// cancellation pass through a pipeline both ways. The package is for Go what the Streams Standard
// is for the browser: pipes, transforms, tee, queuing strategies. It knows no WebSocket and no
// network: a connection is one source and one destination among others.
//
//	lines := stream.Lines(stream.FromReader(f, 4096), 64<<10)
//	hits := stream.Filter(lines, func(s string) bool { return strings.Contains(s, "error") })
//	defer hits.Cancel(nil)
//	for line, err := range stream.All(ctx, hits) {
//		…
//	}
//
// A loop over [All] that leaves err out compiles. It then gets a zero chunk at an end that is an
// error. Take both values.
//
// # Names
//
// A function From… makes a [Readable] of something of Go's: its chunks come from there. A function
// To… makes a [Writable]: its chunks go there. A function As… makes something of Go's of a stream.
//
// # Words
//
//   - A chunk is what one Pull returns or one Write takes.
//   - A source is the Readable that a pipe or an operator pulls from. A destination is the Writable
//     that a pipe or an adapter writes to.
//   - An operator makes a Readable of a Readable, as [Map] does. It runs inline if it runs on the
//     goroutine that pulls. An adapter makes one kind of stream of another.
//   - Behind means later in the order of chunks. An error behind a chunk is what the Pull after
//     that chunk returns.
//   - A turn is a call's place among calls that wait. Calls are served in the order they came.
//   - The mark is the high-water mark of a [Strategy].
//
// # The laws
//
//   - Nothing is pulled from a source before there is demand: a Pull that waits, or room below a
//     mark. A pipeline holds the sum of its marks, whatever the speeds of its ends.
//   - A call whose context ends has consumed or written nothing, and the stream is as it was. A
//     call whose context had ended before fails immediately with the context's cause.
//   - A clean end is a bare [io.EOF]. An error ends a stream behind the chunks that came before it,
//     and every later call returns it, too.
//   - Cancel goes up a pipeline, to its source. Close, Fail and Abort go down. Close and Fail come
//     behind all chunks that were written. Cancel and Abort never wait for a peer, and may be
//     called again.
//   - Calls on one stream may be made concurrently. They are served in the order they came.
//   - Inline operators start no goroutine: [Map], [Filter], [FlatMap], [Scan], [Through], [Lines],
//     [Batch], [Unbatch], [Throttle], [Concat] and [Decode]. The functions that they are given get
//     no context, and must not block. Work that blocks goes into [Parallel] or [Stage].
//   - Operators with goroutines end with Cancel: [Parallel], [Stage], [Tee] and [Merge]. Defer it.
//   - A panic of a function reaches the caller of Pull, once both ends of the stream were shut. See
//     [Panic].
//
// # Capabilities
//
// A stream may have more methods than [Readable] and [Writable] have. [Pipe] and [Join] use those
// that they know. Each has an interface of its own, which says how: [Notifier], [Readier],
// [TryWriter], [Failer], [Flusher], [Borrower] and [PullerInto].
//
//	Writable             Notifier  Readier  TryWriter  Failer  Flusher  Borrower
//	Queue                yes       yes      yes        yes     no       no
//	Broadcast.Publisher  yes       yes      yes        yes     no       no
//	ToChan               yes       yes      yes        yes     no       no
//	ToWriter             yes       yes      no         yes     no       yes
//	Discard              yes       yes      yes        yes     no       yes
//	MapWriter, AsWriter  passes    passes   passes     yes     passes   no
//	Encode               passes    passes   passes     yes     passes   if the Codec does
//
//	Readable                           Notifier  PullerInto
//	Queue, Subscription                yes       no
//	FromReader                         no        yes
//	FromChan, FromSeq                  no        no
//	Stage, Merge, Tee                  yes       no
//	Throttle                           passes    passes
//	Concat                             no        passes
//	Lines, Decode                      passes    uses it
//	Map, Filter, Scan, Through,        passes    no: a function may keep its chunk
//	  FlatMap, Batch, Unbatch
//	Parallel                           no        no
//
// An adapter that passes a capability on has it if the stream below has it.
//
// Streams Standard, https://streams.spec.whatwg.org.
package stream
