// Package deflate is permessage-deflate (RFC 7692): its negotiation, and a compressor and a
// decompressor for the messages of one connection. It does not depend on frames or on a network.
//
// # What is ours, and what is of others
//
// github.com/klauspost/compress compresses. Its Writers take 0.8 to 1.4 MB, so no connection has
// its own. Each call borrows a Writer from a pool. It gives the Writer the last bytes that were
// sent as its dictionary, and flushes. So a connection with context takeover keeps only these last
// bytes, uncompressed.
//
// The inflater is ours. Credit counts compressed bytes while they are unread, and a Pull whose
// context ends consumes nothing. So the inflater must stop where the input ends, and continue there
// later. The inflaters of compress/flate and of github.com/klauspost/compress cannot do that: an
// error of their reader ends them. Our inflater stops between any two symbols. It writes straight
// into the caller's buffer, exactly up to a limit. Its tests compare it with compress/flate.
//
// # What was measured
//
// Messages of JSON text, each different, were compressed and then inflated. The first number is the
// processor time in µs for a message, both ways. The number in brackets is the time for compressing
// alone. The third number is the ratio of the sizes. All are medians of 60 rounds in random order,
// on a shared machine of 2 cores. So compare within a column only.
//
// compress/flate is used at level 1 by gorilla/websocket (without takeover only) and
// coder/websocket. It inflates its own output. Our inflater inflates that of all others. «Own» is a
// Writer for each connection. «2 Ki» is the StatelessDeflate of the library with 2 KiB of
// dictionary. «Ours» is a compressor that this package had before. The last column is what a
// connection with takeover keeps to send.
//
//	                 1 KiB              1 KiB, takeover    64 KiB           with takeover       bytes
//	compress/flate 1 19.2 (14.4)  3.30  17.6 (12.2)  3.85  307 (194)  5.94  307 (194)  5.94 1,212,000
//	klauspost 1, own  9.6  (5.8)  3.21   9.2  (5.9)  5.33  192 (101)  6.08  192 (104)  6.35   837,000
//	klauspost 4, own 10.4  (6.6)  3.36   9.7  (6.7)  5.73  220 (135)  6.15  209 (129)  6.64   968,000
//	klauspost, 2 Ki                     11.0  (7.5)  4.75                   244 (137)  5.78     2,048
//	ours 3, 12 bits  11.0  (7.4)  3.52   9.4  (6.4)  5.44  322 (236)  6.31  317 (233)  6.39    24,576
//	ours 3, 15 bits  11.1  (7.4)  3.52   9.8  (6.8)  5.98  301 (223)  6.62  289 (215)  7.13   147,456
//	default, 12 bits 10.4  (6.7)  3.36  10.3  (6.9)  4.96  257 (172)  6.49  269 (185)  6.61     4,096
//	default, 15 bits 10.3  (6.6)  3.36  10.2  (6.9)  4.96  219 (134)  6.15  227 (138)  6.36    32,768
//	3, 15 bits       12.0  (8.4)  3.42  12.7  (9.6)  5.28  222 (140)  6.40  265 (188)  6.87    32,768
//	5, 15 bits       12.1  (8.6)  3.50  13.5 (10.6)  5.63  253 (176)  6.67  323 (249)  7.21    32,768
//
// So the default is faster than compress/flate at level 1. At 1 KiB it is 1.9 times as fast, with
// takeover 1.7 times. At 64 KiB it is 1.35 to 1.4 times as fast. Its ratio is better each time. In
// the steady state only two of them allocate: compress/flate when it inflates codes longer than 9
// bits, and StatelessDeflate with a dictionary. Our own compressor was no slower at 1 KiB, and its
// ratio there was better with takeover. It was a third slower at 64 KiB, and had to be maintained.
//
// A longer dictionary costs each message about 1 µs a KiB at level 1, and 2 µs at level 5. Messages
// of 1 KiB with a dictionary of 32 KiB took 40 µs, at a ratio of 5.39 instead of 4.96. So a message
// may refer to as many bytes as it has itself, and to at least 1 KiB.
//
// A connection with takeover keeps the following, in bytes. To send, it keeps as much as its
// longest part of a message so far, rounded up to a power of two. That is at least 1,024, and at
// most the window. To receive, it keeps as much as came, and at most the peer's window. Without
// takeover it keeps nothing between messages.
//
//	bits                 8       9      10      11      12      13      14      15
//	to send            256     512   1,024   2,048   4,096   8,192  16,384  32,768   at most
//	to receive         256     512   1,024   2,048   4,096   8,192  16,384  32,768   at most
//
// # What is too short
//
// The figures are for messages of mixed JSON, and in brackets for similar JSON, at the default
// level and 15 bits. The tables show the bytes saved, and the time for each saved byte, both ways
// together. A byte takes 80 ns on a line of 100 Mbit/s.
//
//	bytes                  32        64        96       128       192       256       512     1,024
//	saved            -6   (1)  -4   (1)   1  (-5)   6  (23)  47  (69)  81 (112) 217 (309) 529 (724)
//	ns a byte                                     367 (181)  94  (65)  77  (48)  39  (22)  22  (12)
//	saved, takeover  14  (13)  27  (36)  51  (62)  68  (87) 112 (127) 154 (171) 320 (388) 660 (808)
//	ns a byte       251 (199) 155  (96)  98  (55)  86  (44)  62  (35)  52  (34)  31  (19)  19  (11)
//
// Below 128 bytes compression without takeover saves nothing, or adds bytes. Without takeover it is
// worth its time from 256 bytes on, and with takeover from 128.
//
// # Windows of 8 bits
//
// zlib cannot send with a raw DEFLATE window of 256 bytes, and takes one of 512 instead. Its copies
// still reach back at most 250 bytes. So a peer that promised 8 bits and uses zlib keeps its
// promise. klauspost's Writers have windows from 32 bytes on.
package deflate
