package contract

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/stream"
	"github.com/wsstream/wsstream/wstest"
)

// names are those of the document's messages, by the kind of a message's first record.
var names = map[byte]string{
	1: "records", 2: "records", 3: "records", 4: "records", 5: "hello", 6: "welcome",
}

// A session goes through a relay that checks each message.
func TestTheMessagesOfResumeAreThoseOfItsDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		doc := Open(t, "../../../resume/asyncapi.yaml")
		seen := make(chan byte, 100)
		check := func(m wsstream.Message) (wsstream.Message, error) {
			seen <- m.Data[0]
			return m, doc.validate(names[m.Data[0]], m)
		}
		echo := resume.NewServer(func(s *resume.Session, r *http.Request) error {
			for m, err := range s.Readable().All(r.Context()) {
				if err != nil {
					return err
				}
				if err := s.Writable().Write(r.Context(), m); err != nil {
					return err
				}
			}
			return nil
		}, nil)
		protocol := []string{resume.Protocol}
		server := wstest.NewServer(t, echo)
		relay := wstest.NewServer(t, wsstream.Handler(func(c *wsstream.Conn, r *http.Request) error {
			s := server.Dial("/", &wsstream.DialOptions{Subprotocols: protocol})
			a, b := c.Duplex(), s.Duplex()
			a.Readable = stream.Map(a.Readable, check)
			b.Readable = stream.Map(b.Readable, check)
			return stream.Join(r.Context(), a, b)
		}, &wsstream.AcceptOptions{Subprotocols: protocol}))

		s := resume.Dial(t.Context(), "ws://server.test/", &resume.DialOptions{
			Conn: &wsstream.DialOptions{
				NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return relay.Listener.Dial(ctx)
				},
			},
		})
		t.Cleanup(s.CloseNow)
		for _, m := range []wsstream.Message{wsstream.Text("水"), wsstream.Binary([]byte{0, 0xff})} {
			require.NoError(t, s.Writable().Write(t.Context(), m))
			got, err := s.Readable().Pull(t.Context())
			require.NoError(t, err)
			require.Equal(t, m, got)
		}
		require.NoError(t, s.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000, Reason: "bye"}))
		_, err := s.Readable().Pull(t.Context())
		require.Equal(t, io.EOF, err)
		require.NoError(t, echo.Shutdown(context.Background()))
		kinds := map[byte]bool{}
		for len(seen) > 0 {
			kinds[<-seen] = true
		}
		require.Subset(t, kinds, map[byte]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true})
	})
}

func TestTheDocumentOfResumeTakesNoOtherMessages(t *testing.T) {
	doc := Open(t, "../../../resume/asyncapi.yaml")
	for name, bad := range map[string][]byte{
		"hello":   {5, 0, 0, 0, 65},
		"welcome": {6, 0, 0, 0, 33},
		"records": {4, 0, 0, 0, 15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
	} {
		doc.CheckBad(t, name, wsstream.Binary(bad))
	}
	doc.CheckBad(t, "records", wsstream.Binary([]byte{3, 0, 0, 0, 1, 0}))
	doc.CheckBad(t, "records", wsstream.Text(`"no record"`))
}
