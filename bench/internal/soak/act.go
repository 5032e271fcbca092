package soak

// An Act is something that a program or the test does to a connection so that it ends. The side
// that acts notes it before it does it. An end that no act explains is a fault.
type Act string

// The acts of the client.
const (
	ActClose       Act = "Close(1000)"
	ActCloseWrite  Act = "Writable.Close"
	ActCutSent     Act = "RST at a byte sent"
	ActCutReceived Act = "RST at a byte received"
	ActReset       Act = "RST"
	ActCloseNow    Act = "CloseNow"
	ActVanish      Act = "vanishes, without an RST"
	ActSleep       Act = "does not pull, and CloseTimeout passes"
)

// The acts of the server.
const (
	ActServerClose    Act = "server: Close(1000)"
	ActServerCode     Act = "server: Close(4001)"
	ActServerAbort    Act = "server: Abort"
	ActServerCloseNow Act = "server: CloseNow"
	ActServerReset    Act = "server: RST"
	ActShutdown       Act = "server: Shutdown(1001)"
	ActShutdownCut    Act = "server: Shutdown, whose context ended"
)

// byServer reports whether the server does it.
func (a Act) byServer() bool { return len(a) > 7 && a[:7] == "server:" }

const appCode = 4001 // of ActServerCode

// An End is how a connection has ended, as one side's calls report it.
type End struct {
	Code    int  // of Closed
	InOrder bool // Closed has settled without an error
	EOF     bool // Pull has returned io.EOF
}

// The ends that occur.
var (
	normal  = End{Code: 1000, InOrder: true, EOF: true}
	lost    = End{Code: 1006}
	goes    = End{Code: 1001, InOrder: true}
	crossed = End{Code: 1000, InOrder: true} // the client's Close has crossed that of Shutdown
	coded   = End{Code: appCode, InOrder: true}
	agreed  = End{Code: appCode, InOrder: true, EOF: true}
	failed  = End{Code: 1011, InOrder: true}
	aborted = End{Code: 1011, InOrder: true, EOF: true}
)

// explains are the ends that an act explains, for the client and for the server: the table of ends
// in the documentation of package wsstream.
var explains = map[Act][2][]End{
	ActClose:          {{normal}, {normal}},
	ActCloseWrite:     {{normal}, {normal}},
	ActCutSent:        {{lost}, {lost}},
	ActCutReceived:    {{lost}, {lost}},
	ActReset:          {{lost}, {lost}},
	ActCloseNow:       {{lost}, {lost}},
	ActVanish:         {{lost}, {lost}},
	ActSleep:          {{lost, normal}, {lost, normal}},
	ActServerClose:    {{normal}, {normal}},
	ActServerCode:     {{coded}, {agreed}},
	ActServerAbort:    {{failed}, {aborted}},
	ActServerCloseNow: {{lost}, {lost}},
	ActServerReset:    {{lost}, {lost}},
	ActShutdown:       {{goes}, {goes, crossed}},
	ActShutdownCut:    {{lost}, {lost}},
}
