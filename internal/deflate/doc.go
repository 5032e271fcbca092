// Package deflate is permessage-deflate (RFC 7692): its negotiation, a compressor and a decompressor for the messages of
// one connection. It knows no frames and no network.
//
// # Why not a library
//
// Credit counts compressed bytes while they are unread, and a Pull whose context ends consumes nothing. So the inflater
// must stop where the input runs dry, and go on there; those of compress/flate and of github.com/klauspost/compress
// cannot, since an error of their reader ends them. Ours stops between any two symbols, and writes straight into the
// caller's buffer, exactly up to a limit.
//
// A compressor with context takeover belongs to its connection for as long as that lives. Those of the two libraries
// take about a megabyte whatever the window is. Ours takes what the window asks for, since all that a block needs
// (tokens, codes) is borrowed for the call; and it keeps to any window, 256 bytes too.
//
// # What was measured
//
// JSON text, each message different, compressed and then inflated, both by the same library; time for a message both ways
// and ratio, medians of 60 interleaved rounds, on a shared 2-core machine of the project's kind: compare within a column
// only. gorilla/websocket and coder/websocket use compress/flate at level 1, gorilla without takeover only. Peer
// libraries hold their compressor's bytes for each connection with takeover, ours hold it and the inflater's window.
//
//	                       1 KiB             1 KiB, takeover   64 KiB            64 KiB, takeover  bytes held
//	compress/flate 1       17.9 µs   3.30    16.7 µs   3.86    331 µs    5.93    329 µs    5.93    1,205,000 + 32 Ki
//	klauspost 1             8.7 µs   3.21     8.7 µs   5.40    201 µs    6.07    197 µs    6.33      828,000 + 32 Ki
//	klauspost 3             9.2 µs   3.42     9.0 µs   5.87    249 µs    6.41    248 µs    6.81    1,221,000 + 32 Ki
//	klauspost 5             9.6 µs   3.50     9.7 µs   6.12    272 µs    6.65    273 µs    7.13    1,090,000 + 32 Ki
//	ours 1, 12 bits        10.7 µs   3.33     9.7 µs   4.59    353 µs    5.11    356 µs    5.15       24 Ki +  4 Ki
//	ours 1, 15 bits        10.1 µs   3.33     8.4 µs   5.47    279 µs    5.80    281 µs    6.16      144 Ki + 32 Ki
//	ours 3, 12 bits        10.7 µs   3.52     9.1 µs   5.51    338 µs    6.32    341 µs    6.40       24 Ki +  4 Ki
//	ours 3, 15 bits        10.3 µs   3.52     8.7 µs   6.06    309 µs    6.61    318 µs    7.11      144 Ki + 32 Ki
//
// None of them allocates in the steady state, but compress/flate when it inflates codes longer than 9 bits. So against
// compress/flate at level 1 ours is 1.7 to 1.9 times as fast at 1 KiB, and about as fast at 64 KiB, at a better ratio.
// klauspost's compressor is faster than ours at 64 KiB, and without takeover a little at 1 KiB; what it costs is memory.
//
// What a connection with takeover holds, in bytes, from its first message on, by bits of the window; without takeover
// nothing is held between messages:
//
//	bits                 8       9      10      11      12      13      14      15
//	to send          6,912   7,680   9,216  14,336  24,576  49,152  98,304  147,456
//	to receive         256     512   1,024   2,048   4,096   8,192  16,384   32,768
//
// # Windows of 8 bits
//
// zlib has no raw DEFLATE window of 256 bytes to send with, and takes one of 512 instead. Its copies still reach back 250
// bytes at most, so a peer that promised 8 bits and uses zlib so keeps its word.
package deflate
