// Package handshake makes the opening handshake of a WebSocket connection: its HTTP side.
//
// It does not know wsstream.Conn. It returns a [Transport], from which the caller makes a Conn. A
// Transport has a net.Conn whose next bytes are frames, and the bytes that came behind the
// handshake. It also has what both sides agreed on.
//
// # A client
//
// [Client.Dial] reaches the server (client.go), maybe through a proxy (proxy.go, socks.go) and
// under TLS (client_tls.go). It writes a request (client_request.go), then reads the response and
// checks it (client_response.go).
//
// # A server
//
// [Server.Accept] answers a request of net/http and takes its connection over (server.go,
// hijack.go). [Server.AcceptConn] reads the request from a bare connection itself (server_bare.go,
// server_bare_read.go). Both check the request and its origin (server_request.go, origin.go). They
// answer it with 101, or refuse it (refusal.go).
//
// # Both
//
// header_limits.go limits the headers that are read. token.go, key.go, subprotocol.go and
// compression.go read and write the fields of the handshake. options.go checks the options that are
// written into a header. url.go reads a URL as a browser does. redact.go keeps the credentials of a
// URL out of errors.
//
// RFC 6455, section 4.
package handshake
