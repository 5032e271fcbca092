package main

// A row is one thing to be measured.
type row struct {
	client  bool // the connections that are measured are Dial's
	handler bool // they are Accept's, in handlers of net/http; else AcceptConn's
	tls     bool
	pulling bool // a Pull waits on each
	handle  bool // Handle was called on each, and the handler of net/http returned
	busy    int  // messages of 1 KiB that each has echoed before
	in, out bool // each is stalled inbound, outbound: a window is full
}

// order is that of the rows on the page.
var order = []string{
	"AcceptConn, no Pull",
	"AcceptConn, Handle",
	"AcceptConn, a Pull waits",
	"AcceptConn, a Pull waits, after 100 messages",
	"Accept in a handler that returned after Handle",
	"Accept in a handler that waits for the end",
	"Accept in a handler that waits in Pull",
	"Dial, no Pull",
	"Dial, a Pull waits",
	"Dial, a Pull waits, after 100 messages",
	"AcceptConn under TLS, no Pull",
	"AcceptConn under TLS, Handle",
	"AcceptConn under TLS, a Pull waits",
	"AcceptConn under TLS, a Pull waits, after 100 messages",
	"AcceptConn, a full ReadWindow of 64 KiB",
	"AcceptConn, a full WriteWindow of 64 KiB",
}

var rows = map[string]row{
	order[0]:  {},
	order[1]:  {handle: true},
	order[2]:  {pulling: true},
	order[3]:  {pulling: true, busy: 100},
	order[4]:  {handler: true, handle: true},
	order[5]:  {handler: true},
	order[6]:  {handler: true, pulling: true},
	order[7]:  {client: true},
	order[8]:  {client: true, pulling: true},
	order[9]:  {client: true, pulling: true, busy: 100},
	order[10]: {tls: true},
	order[11]: {tls: true, handle: true},
	order[12]: {tls: true, pulling: true},
	order[13]: {tls: true, pulling: true, busy: 100},
	order[14]: {in: true},
	order[15]: {out: true},
}
