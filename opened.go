package wsstream

import (
	"net/http"
)

// An Opened is what the handshake agreed on.
type Opened struct {
	Readable *Readable // the connection's, as from Conn.Readable
	Writable *Writable // the connection's, as from Conn.Writable

	Protocol   string // the subprotocol, empty for none
	Extensions string // the extensions in use as the Sec-WebSocket-Extensions header writes them, empty for none

	// Header is the peer's header of the handshake: the response's on Dial's side, the request's on Accept's.
	Header http.Header
}
