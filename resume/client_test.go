package resume_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/wstest"
)

// againstScript runs a client against a server that a test scripts. script gets each connection of
// the client, with the HELLO already pulled.
func againstScript(
	t *testing.T, script func(n int, r raw, hello []byte), f func(*testing.T, *resume.Session),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		h := wsstream.Handler(func(c *wsstream.Conn, _ *http.Request) error {
			m, err := c.Readable().Pull(t.Context())
			if err != nil {
				return err
			}
			n++
			script(n, newRaw(t, c), m.Data)
			_, err = c.Closed().Wait(t.Context())
			return err
		}, &wsstream.AcceptOptions{Subprotocols: []string{resume.Protocol}})
		w := &world{t: t, listener: wstest.NewServer(t, h).Listener}
		t.Cleanup(func() { <-time.After(10 * time.Minute) })
		f(t, w.dial(nil))
	})
}

var welcomed = welcome(1000, 0)

func TestProtocolHelloOfAClient(t *testing.T) {
	var hellos [2][]byte
	againstScript(t, func(n int, r raw, hello []byte) {
		hellos[n-1] = hello
		r.send(welcomed)
		if n == 1 {
			r.send(text("1"))
			r.want(ack(6, 6))
			r.conn.CloseNow()
		}
	}, func(t *testing.T, client *resume.Session) {
		m, err := client.Readable().Pull(t.Context())
		require.NoError(t, err)
		require.Equal(t, wsstream.Text("1"), m)
		<-time.After(time.Second) // it comes again
		first, second := hellos[0], hellos[1]
		id := first[38:]
		require.Equal(t, record(5, join(u64(0, 0, 1<<20, 1<<20), []byte{0}, id)...), first)
		require.Equal(t, record(5, join(u64(6, 6, 1<<20, 1<<20), []byte{1}, id)...), second)
	})
}

func TestProtocolA4000AcknowledgesEverything(t *testing.T) {
	againstScript(t, func(_ int, r raw, _ []byte) {
		r.send(welcomed)
		r.send(record(3))
		r.want(ack(5, 0))
		r.want(record(3))
		_ = r.conn.Close(wsstream.CloseInfo{Code: 4000})
	}, func(t *testing.T, client *resume.Session) {
		info, err := client.Closed().Wait(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1005, info.Code)
	})
}

func TestProtocolA4000WithoutAnEndIsAnError(t *testing.T) {
	againstScript(t, func(_ int, r raw, _ []byte) {
		r.send(welcomed)
		_ = r.conn.Close(wsstream.CloseInfo{Code: 4000})
	}, func(t *testing.T, client *resume.Session) {
		_, err := client.Closed().Wait(t.Context())
		require.ErrorAs(t, err, new(*resume.LostError))
	})
}

func TestProtocolCodesThatRepeatingDoesNotMend(t *testing.T) {
	for _, code := range []int{1002, 1003, 1007, 1009, 1010, 4001, 4002, 4003, 4004, 4005} {
		againstScript(t, func(n int, r raw, _ []byte) {
			require.Equal(t, 1, n)
			r.send(welcomed)
			_ = r.conn.Close(wsstream.CloseInfo{Code: code})
		}, func(t *testing.T, client *resume.Session) {
			_, err := client.Closed().Wait(t.Context())
			require.ErrorAs(t, err, new(*resume.LostError), "%d", code)
		})
	}
}

func TestProtocolOtherCodesAreALoss(t *testing.T) {
	for _, code := range []int{0, 1000, 1001, 1008, 1011, 1012, 1013, 3000} {
		againstScript(t, func(n int, r raw, _ []byte) {
			r.send(welcomed)
			if n == 1 {
				_ = r.conn.Close(wsstream.CloseInfo{Code: code})
				return
			}
			r.send(text("1"))
		}, func(t *testing.T, client *resume.Session) {
			_, err := client.Readable().Pull(t.Context())
			require.NoError(t, err, "%d", code)
		})
	}
}

func TestProtocolRefusesABadWelcome(t *testing.T) {
	for name, data := range map[string][]byte{
		"short":          record(6, u64(0, 0, 1000)...),
		"other kind":     record(5, u64(0, 0, 1000, 0)...),
		"not alone":      join(welcomed, text("1")),
		"not sent ever":  record(6, u64(5, 0, 1000, 0)...),
		"taken first":    record(6, u64(0, 5, 1000, 0)...),
		"without window": welcome(0, 0),
	} {
		againstScript(t, func(_ int, r raw, _ []byte) {
			r.send(data)
			_, err := r.conn.Readable().Pull(r.t.Context())
			require.Equal(r.t, 4003, wsstream.CloseCode(err), "%s: %v", name, err)
		}, func(t *testing.T, client *resume.Session) {
			_, err := client.Closed().Wait(t.Context())
			require.ErrorContains(t, err, "the peer broke the protocol", name)
			<-time.After(time.Second) // for the script
		})
	}
}
