// Package stream makes pipelines of chunks with backpressure, for chunks of any type. Errors and
// cancellation pass through a pipeline both ways. The package gives Go programs what the Streams
// Standard gives browsers: pipes, transforms, tee, queuing strategies. It does not depend on
// WebSocket or on a network. A connection is one of many possible sources and destinations.
//
//	lines := stream.Lines(stream.FromReader(f, 4096), 64<<10)
//	hits := stream.Filter(lines, func(s string) bool { return strings.Contains(s, "error") })
//	defer hits.Cancel(nil)
//	for line, err := range stream.All(ctx, hits) {
//		…
//	}
//
// Take both values of [All]. A loop with one variable compiles, and gets a zero chunk when the
// stream ends with an error.
//
// # Names
//
// A function From… makes a [Readable] from a Go value, such as an io.Reader or a channel. The
// chunks come from that value. A function To… makes a [Writable] whose chunks go to a Go value. A
// function As… makes a Go value, such as an io.Reader, from a stream.
//
// # Words
//
//   - A chunk is what one Pull returns or one Write takes.
//   - A source is the Readable that a pipe or an operator pulls from. A destination is the Writable
//     that a pipe or an adapter writes to.
//   - An operator makes a Readable from a Readable, as [Map] does. It runs inline if it runs on the
//     goroutine that pulls. An adapter makes one kind of stream from another.
//   - Behind means later in the order of chunks. An error behind a chunk is what the Pull after
//     that chunk returns.
//   - A stream holds a chunk if it has accepted or pulled the chunk and has not delivered it yet.
//   - A stream ends well, or cleanly, if its end is io.EOF and no error.
//   - A turn is a call's place among the calls that wait. Calls are served in the order they came.
//     To take its turn, a call waits until the calls before it are done.
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
//   - Cancel goes up a pipeline, to its source. Close, Fail and Abort go down, to its destination.
//     Close and Fail come behind all chunks that were written. Cancel and Abort never wait for a
//     peer, and may be called again.
//   - Calls on one stream may be made concurrently. They are served in the order they came.
//   - Inline operators start no goroutine: [Map], [Filter], [FlatMap], [Scan], [Through], [Lines],
//     [Batch], [Unbatch], [Throttle], [Concat] and [Decode]. Your functions for these operators get
//     no context, and must not block. Use [Parallel] or [Stage] for work that blocks.
//   - [Parallel], [Stage], [Tee] and [Merge] have goroutines, which Cancel ends. So defer Cancel.
//   - If a function panics, both ends of the stream are shut, and then the panic reaches the caller
//     of Pull. See [Panic].
//
// # Capabilities
//
// A stream may have more methods than [Readable] and [Writable] have. [Pipe] and [Join] use the
// methods of these interfaces. Each interface says how they use it: [Notifier], [Readier],
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
//	Concat                             no        passes
//	Lines, Decode                      passes    uses it
//	Map, Filter, Scan, Through,        passes    no: a function may keep its chunk
//	  FlatMap, Batch, Unbatch
//	Throttle                           no        no: it keeps the chunk that waits
//	Parallel                           no        no
//
// "passes" means that an adapter has the capability if the stream that it was made from has it.
//
// Streams Standard, https://streams.spec.whatwg.org.
package stream
