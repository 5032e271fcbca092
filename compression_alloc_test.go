package wsstream_test

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func TestACompressedMessageAllocatesNothingOnItsWay(t *testing.T) {
	m := wsstream.Text(jsonText(1, 1000))
	ready := m.Prepare()
	var got wsstream.Message
	buf := make([]byte, 2000)
	for name, c := range map[string]config{"takeover": packing, "own contexts": apart} {
		for way, pass := range map[string]func(t *testing.T, client, server *wsstream.Conn) error{
			"Write and PullInto": func(t *testing.T, client, server *wsstream.Conn) error {
				if err := client.Writable().Write(t.Context(), m); err != nil {
					return err
				}
				return server.Readable().PullInto(t.Context(), &got)
			},
			"TryWrite, and back": func(t *testing.T, client, server *wsstream.Conn) error {
				if _, err := server.Writable().TryWrite(m); err != nil {
					return err
				}
				return client.Readable().PullInto(t.Context(), &got)
			},
			"a prepared one": func(t *testing.T, client, server *wsstream.Conn) error {
				if err := server.Writable().Write(t.Context(), ready); err != nil {
					return err
				}
				return client.Readable().PullInto(t.Context(), &got)
			},
			"NextMessage": func(t *testing.T, client, server *wsstream.Conn) error {
				if err := client.Writable().Write(t.Context(), m); err != nil {
					return err
				}
				r, err := server.Readable().NextMessage(t.Context())
				for err == nil {
					_, err = r.Read(buf)
				}
				if err == io.EOF {
					return nil
				}
				return err
			},
		} {
			t.Run(name+"/"+way, func(t *testing.T) {
				near, far := tcpPipe(t, 0)
				client, server := conns(t, c, near, far)
				requireAllocs(t, 0, func() { require.NoError(t, pass(t, client, server)) })
			})
		}
	}
}
