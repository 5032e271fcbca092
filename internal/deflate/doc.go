// Package deflate is permessage-deflate (RFC 7692): its negotiation, a compressor and a decompressor for the messages of
// one connection. It knows no frames and no network.
//
// # Whose code it is
//
// github.com/klauspost/compress compresses. Its Writers take 0.8 to 1.4 MB, so no connection owns one: each call borrows
// one from a pool, gives it the end of what was sent before as its dictionary, and flushes. What a connection with
// context takeover holds is that plain text and nothing else.
//
// The inflater is ours. Credit counts compressed bytes while they are unread, and a Pull whose context ends consumes
// nothing. So it must stop where the input runs dry, and go on there; those of compress/flate and of
// github.com/klauspost/compress cannot, since an error of their reader ends them. Ours stops between any two symbols,
// and writes straight into the caller's buffer, exactly up to a limit. compress/flate is the oracle of its tests.
//
// # What was measured
//
// JSON text, each message different, compressed and then inflated; processor time for a message both ways, with that of
// compressing in brackets, and ratio, medians of 60 rounds in random order, on a shared 2-core machine of the project's
// kind: compare within a column only. compress/flate, which gorilla/websocket (without takeover only) and
// coder/websocket use at level 1, inflates what it compresses; our inflater does for all others. «Own» is a Writer for
// each connection, «2 Ki» the StatelessDeflate of the library with 2 KiB of dictionary, «ours» a compressor that stood
// here before. Held is what a connection with takeover takes to send.
//
//	                     1 KiB                   1 KiB, takeover         64 KiB               64 KiB, takeover     bytes held
//	compress/flate 1     19.2 (14.4) µs   3.30   17.6 (12.2) µs   3.85   307 (194) µs  5.94   307 (194) µs  5.94   1,212,000
//	klauspost 1, own      9.6  (5.8)      3.21    9.2  (5.9)      5.33   192 (101)     6.08   192 (104)     6.35     837,000
//	klauspost 4, own     10.4  (6.6)      3.36    9.7  (6.7)      5.73   220 (135)     6.15   209 (129)     6.64     968,000
//	klauspost, 2 Ki                              11.0  (7.5)      4.75                        244 (137)     5.78       2,048
//	ours 3, 12 bits      11.0  (7.4)      3.52    9.4  (6.4)      5.44   322 (236)     6.31   317 (233)     6.39      24,576
//	ours 3, 15 bits      11.1  (7.4)      3.52    9.8  (6.8)      5.98   301 (223)     6.62   289 (215)     7.13     147,456
//	default, 12 bits     10.4  (6.7)      3.36   10.3  (6.9)      4.96   257 (172)     6.49   269 (185)     6.61       4,096
//	default, 15 bits     10.3  (6.6)      3.36   10.2  (6.9)      4.96   219 (134)     6.15   227 (138)     6.36      32,768
//	3, 15 bits           12.0  (8.4)      3.42   12.7  (9.6)      5.28   222 (140)     6.40   265 (188)     6.87      32,768
//	5, 15 bits           12.1  (8.6)      3.50   13.5 (10.6)      5.63   253 (176)     6.67   323 (249)     7.21      32,768
//
// So against compress/flate at level 1 the default is 1.9 times as fast at 1 KiB, 1.7 times with takeover, and 1.35 to
// 1.4 times at 64 KiB, at a better ratio each time. Only compress/flate, when it inflates codes longer than 9 bits, and
// StatelessDeflate with a dictionary allocate in the steady state. Our own compressor was no slower at 1 KiB and found
// more there with takeover, but was a third slower at 64 KiB, and was ours to keep.
//
// A longer dictionary costs about 1 µs a KiB at level 1, 2 at level 5, for each message: 1 KiB messages compressed with
// 32 KiB of it took 40 µs, at 5.39 instead of 4.96. So a message may refer to as much as it is long itself, 1 KiB at
// least.
//
// What a connection with takeover holds, in bytes: to send, as much as its longest part of a message so far rounded up
// to a power of two, but 1,024 at least and the window at most; to receive, as much as came, the peer's window at most.
// Without takeover nothing is held between messages:
//
//	bits                 8       9      10      11      12      13      14      15
//	to send            256     512   1,024   2,048   4,096   8,192  16,384  32,768   at most
//	to receive         256     512   1,024   2,048   4,096   8,192  16,384  32,768   at most
//
// # What is too short
//
// Messages of mixed JSON, and in brackets of like JSON, at the default level and 15 bits: bytes saved, and what each of
// them costs, both ways together. A byte on a line of 100 Mbit/s is 80 ns.
//
//	bytes              32          64          96          128         192         256         512         1,024
//	saved              -6   (1)    -4   (1)     1  (-5)     6  (23)    47  (69)    81 (112)   217 (309)   529 (724)
//	ns a byte                                             367 (181)    94  (65)    77  (48)    39  (22)    22  (12)
//	saved, takeover    14  (13)    27  (36)    51  (62)    68  (87)   112 (127)   154 (171)   320 (388)   660 (808)
//	ns a byte         251 (199)   155  (96)    98  (55)    86  (44)    62  (35)    52  (34)    31  (19)    19  (11)
//
// Below 128 bytes compressing without takeover saves nothing, or adds bytes. It pays from 256 bytes on without takeover,
// and from 128 with.
//
// # Windows of 8 bits
//
// zlib has no raw DEFLATE window of 256 bytes to send with, and takes one of 512 instead. Its copies still reach back 250
// bytes at most, so a peer that promised 8 bits and uses zlib so keeps its word. klauspost's Writers know windows from 32
// bytes on.
package deflate
