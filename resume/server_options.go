package resume

import (
	"net/http"
	"time"

	"github.com/wsstream/wsstream"
)

// ServerOptions are the options of NewServer, which copies them. A nil pointer means the zero
// value, which is ready to use.
type ServerOptions struct {
	// Conn has the options of each connection. Its Subprotocols are replaced. Its MaxMessageSize
	// limits the messages of the sessions. If its PingInterval is zero, it is 20 seconds. Hooks of
	// its Trace must not call a Session.
	// If nil, the zero value.
	Conn *wsstream.AcceptOptions

	// Window limits the messages of each session, as that of DialOptions does.
	// If zero, 1 MiB. The minimum is 256 bytes.
	Window int

	// AwayTimeout limits how long a session may be without a connection. Beyond it the session ends
	// with a *LostError. Until then it keeps its messages.
	// If zero, 2 minutes.
	AwayTimeout time.Duration

	// MaxSessions limits how many sessions there are, those without a connection included. Beyond
	// it a new client's connection is closed with 1013, and the client tries again. It also limits
	// how many ended sessions are remembered, for AwayTimeout, in a few hundred bytes each.
	// If zero or negative, no limit.
	MaxSessions int

	// MaxGreetings limits how many connections there are that have not said yet which session they
	// want. They have 10 seconds for that. Beyond it ServeHTTP answers with 503, and the client
	// tries again. ServeConn closes the connection and returns an error.
	// If zero, 4096. If negative, no limit.
	MaxGreetings int

	// Authenticate names the user of a request, or refuses it with an error: the client gets 403,
	// or 4005 from ServeConn. Both end its session. A session belongs to the user of its first
	// request. For a connection of another user it does not exist.
	// If nil, the user of all requests is the empty string.
	Authenticate func(r *http.Request) (principal string, err error)

	// Hooks are called as things happen.
	Hooks Hooks
}
