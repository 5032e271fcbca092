package resume_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
)

// FuzzPeerMessages sends any messages behind a greeting: none make a Server panic or hang, or keep
// a session after Shutdown. The first byte of each message is its length.
func FuzzPeerMessages(f *testing.F) {
	say := func(messages ...[]byte) (b []byte) {
		for _, m := range messages {
			b = append(append(b, byte(len(m))), m...)
		}
		return b
	}
	f.Add(say(text("hi"), ack(7, 7), end(1000, "bye"), ack(21, 7)), false)
	f.Add(say(join(text("1"), ack(6, 0), text(""), end(4000, "")), ack(16, 6)), true)
	f.Add(say(record(3), ack(5, 0), text("behind")), false)
	f.Add(say(ack(3, 0)), true)
	f.Add(say(hello(0, 0, 1, rawID)), false)
	f.Add(say(text("1"), nil), true)
	f.Fuzz(func(t *testing.T, program []byte, late bool) {
		echo := func(s *resume.Session, r *http.Request) error {
			if late { // what comes is queued first
				<-time.After(time.Second)
			}
			for m, err := range s.Readable().All(r.Context()) {
				if err != nil {
					return err
				}
				if err := s.Writable().Write(r.Context(), m); err != nil {
					return err
				}
			}
			return nil
		}
		inWorld(t, &resume.ServerOptions{Window: 300}, echo, func(t *testing.T, w *world) {
			r := w.raw()
			r.send(hello(0, 0, 0, rawID))
			for len(program) > 0 {
				n := min(int(program[0]), len(program)-1)
				m := wsstream.Binary(program[1 : 1+n])
				program = program[1+n:]
				if r.conn.Writable().Write(t.Context(), m) != nil {
					break
				}
			}
			_ = r.conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 3000})
			require.NoError(t, w.server.Shutdown(t.Context()))
			require.Zero(t, w.server.Len())
		})
	})
}
