package gobwas

import (
	"bufio"
	"context"
	"net"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Shout sends each word and collects the answers.
func Shout(ctx context.Context, url string, words ...string) (answers []string, err error) {
	conn, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // a read knows no context
	defer stop()
	for _, word := range words {
		if err := wsutil.WriteClientText(conn, []byte(word)); err != nil {
			return nil, err
		}
		data, err := wsutil.ReadServerText(conn)
		if err != nil {
			return nil, err
		}
		answers = append(answers, string(data))
	}
	body := ws.NewCloseFrameBody(ws.StatusNormalClosure, "")
	return answers, wsutil.WriteClientMessage(conn, ws.OpClose, body)
}

// dial connects, and keeps the frames that came with the handshake.
func dial(ctx context.Context, url string) (net.Conn, error) {
	conn, br, _, err := ws.Dial(ctx, url)
	if err != nil || br == nil {
		return conn, err
	}
	return buffered{conn, br}, nil
}

type buffered struct {
	net.Conn
	br *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.br.Read(p) }
