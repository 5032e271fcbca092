package hostile

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// hugeLines are lines of a request, of size bytes each, that a server splits, or quotes where it
// refuses them. The map's key says what is huge.
func hugeLines(size int) map[string]string {
	list := func(field, element string) string {
		return field + strings.Repeat(element, (size-len(field))/len(element))
	}
	return map[string]string{
		"subprotocols":                    list("Sec-WebSocket-Protocol: a", ",b"),
		"empty subprotocols":              list("Sec-WebSocket-Protocol: a", ","),
		"extensions":                      list("Sec-WebSocket-Extensions: a", ",b"),
		"extensions with one parameter":   list("Sec-WebSocket-Extensions: a", ",b;c"),
		"parameters":                      list("Sec-WebSocket-Extensions: permessage-deflate", ";a"),
		"equal parameters":                list("Sec-WebSocket-Extensions: permessage-deflate", ";client_max_window_bits"),
		"a quoted parameter":              list("Sec-WebSocket-Extensions: a;b=\"", "\\c"),
		"extensions that are malformed":   list("Sec-WebSocket-Extensions: a;", "\xff"),
		"a malformed end":                 list("Sec-WebSocket-Extensions: a", ",\tb") + ";",
		"tokens of Connection":            list("Connection: Upgrade", ",b"),
		"tokens of Upgrade":               list("Upgrade: websocket", ",b"),
		"a Connection that is no token":   list("Connection: ", "\xff"),
		"an Upgrade that is no token":     list("Upgrade: ", "\xff"),
		"a version that is no number":     list("Sec-WebSocket-Version: ", "\xff"),
		"a key that is not base64":        list("Sec-WebSocket-Key: ", "\xff"),
		"an origin":                       list("Origin: https://a", ".b"),
		"an origin that is no URL":        list("Origin: ", "\xff"),
		"a host":                          list("Host: a", ".b"),
		"a host, with an origin":          "Origin: https://c\r\n" + list("Host: a", ".b"),
		"a field that no server looks at": list("X-Long: ", "\xff"),
	}
}

// request returns a request with line in place of the line of its field.
func request(line string) []byte {
	field, _, _ := strings.Cut(line, ":")
	raw := wstest.UpgradeRequest("/", field+":", hostOr(line))
	return bytes.Replace(raw, []byte("\r\n"), []byte("\r\n"+line+"\r\n"), 1)
}

// hostOr returns the line that removes Host, if line has a Host of its own.
func hostOr(line string) string {
	if strings.Contains(line, "Host: ") {
		return "Host:"
	}
	return "X-Other: 1"
}

func TestHeaderThatIsHugeCostsItsSizeAFewTimes(t *testing.T) {
	const maxAnswer = 2 << 10
	o := &wsstream.AcceptOptions{
		Subprotocols: []string{"x", "y"},
		Origins:      []string{"*.example.org", "https://*.example.net:*"},
		Compression:  &wsstream.CompressionOptions{},
	}
	for name, line := range hugeLines(60 << 10) {
		t.Run("AcceptConn/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := memnet.Pipe(0)
				raw, answer := request(line), make([]byte, 0, 64<<10)
				_, bytes := allocated(func() {
					go func() { // ends with the write
						_, _ = far.Write(raw)
						_ = far.CloseWrite()
					}()
					if conn, err := wsstream.AcceptConn(t.Context(), near, o); err == nil {
						conn.CloseNow()
					}
					n, _ := io.ReadFull(far, answer[:cap(answer)])
					answer = answer[:n]
				})
				require.Less(t, bytes, 16*wsstream.DefaultMaxHandshakeSize, "with both sides of the transport")
				require.Less(t, len(answer), maxAnswer, "the server says no more than it has to")
				require.NoError(t, far.Close())
			})
		})
	}
	for name, line := range hugeLines(http.DefaultMaxHeaderBytes - 4<<10) {
		t.Run("net http/"+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				costs := make(chan int, 1)
				srv := wstest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, cost := allocated(func() {
						if conn, err := wsstream.Accept(w, r, o); err == nil {
							conn.CloseNow()
						}
					})
					costs <- cost
				}))
				nc, err := srv.Listener.Dial(t.Context())
				require.NoError(t, err)
				go func() { // ends with the write
					_, _ = nc.Write(request(line))
					_ = nc.(*memnet.Conn).CloseWrite()
				}()
				answer, err := io.ReadAll(nc)
				require.NoError(t, err)
				require.Less(t, <-costs, 4*http.DefaultMaxHeaderBytes, "in addition to net/http's own")
				require.Less(t, len(answer), maxAnswer, "the server says no more than it has to")
				require.NoError(t, nc.Close())
			})
		})
	}
}
