package wsstream_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/wstest"
	"github.com/wsstream/wsstream/wstest/memnet"
)

// FuzzPeerBytes sends any bytes: none make a Conn panic, hang, or hold more than its bounds.
func FuzzPeerBytes(f *testing.F) {
	for _, client := range []bool{true, false} {
		p := wstest.NewPeer(f, fuzzEnd(), !client)
		for _, frames := range [][]wstest.Frame{
			{wstest.Text("hello"), wstest.Ping("p"), wstest.Close(1000, "bye")},
			{wstest.Text("a").Part(), wstest.Ping(""), wstest.Cont([]byte("\xce"), false), wstest.Cont([]byte("\xba"), true)},
			{wstest.Binary(make([]byte, 126)), wstest.Binary(make([]byte, 2000)), wstest.CloseEmpty()},
			{wstest.Text("\xff")},
			{wstest.Cont(nil, true)},
			{wstest.Close(1005, ""), wstest.Text("after")},
			{{Fin: true, Rsv: 4, Op: 1}},
			{{Fin: true, Op: 8, Payload: []byte{3}}},
		} {
			var b []byte
			for _, f := range frames {
				b = append(b, p.Encode(f)...)
			}
			f.Add(b, client, uint16(7), byte(0))
			f.Add(b[:len(b)-1], client, uint16(1), byte(3))
		}
		f.Add(p.EncodeHeader(wstest.Binary(nil), 1<<62), client, uint16(2), byte(1))
	}
	f.Fuzz(func(t *testing.T, stream []byte, client bool, chunk uint16, how byte) {
		synctest.Test(t, func(t *testing.T) {
			const window, limit = 256, 1000
			e := inMemory(t, config{ReadWindow: window, MaxMessageSize: limit}, client)
			e.far.(*memnet.Conn).Chunk(int(chunk))
			go e.peer.Next() // takes some of what is answered
			go func() {
				_, _ = e.far.Write(stream)
				e.far.(*memnet.Conn).CloseWrite()
			}()
			if how&1 != 0 {
				<-time.After(time.Second) // nobody pulls at first
				require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(window))
			}
			for err := error(nil); err == nil; {
				err = take(t, e, how, limit)
			}
			require.LessOrEqual(t, e.conn.Stats().Received.HeldMax, int64(window+limit))
			e.closed(t)
			require.NoError(t, t.Context().Err())
			require.Error(t, e.conn.Writable().Write(t.Context(), wsstream.Text("x")))
		})
	})
}

// take pulls a message, or reads it as a stream.
func take(t *testing.T, e *end, how byte, limit int) error {
	if how&2 == 0 {
		m, err := e.conn.Readable().Pull(t.Context())
		require.LessOrEqual(t, len(m.Data), limit)
		return err
	}
	m, err := e.conn.Readable().NextMessage(t.Context())
	if err == nil && how&4 == 0 {
		for err == nil {
			_, err = m.Read(make([]byte, 50))
		}
		if err.Error() == "EOF" {
			err = nil
		}
	}
	if err == nil {
		err = m.Close()
	}
	return err
}

func fuzzEnd() *memnet.Conn {
	near, _ := memnet.Pipe(0)
	return near
}
