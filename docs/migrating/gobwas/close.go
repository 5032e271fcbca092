package gobwas

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Bye closes after the first message, and waits until the client has answered.
func Bye(w http.ResponseWriter, r *http.Request) {
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	defer conn.Close()
	if _, _, err := wsutil.ReadClientData(conn); err != nil {
		return
	}
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	body := ws.NewCloseFrameBody(4001, "that was all")
	if err := wsutil.WriteServerMessage(conn, ws.OpClose, body); err != nil {
		return
	}
	for err == nil {
		_, _, err = wsutil.ReadClientData(conn)
	}
}

// End says hello, reads to the end, and returns the server's close code and reason.
func End(ctx context.Context, url string) (code int, reason string, err error) {
	conn, err := dial(ctx, url)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if err := wsutil.WriteClientText(conn, []byte("hello")); err != nil {
		return 0, "", err
	}
	for {
		if _, _, err := wsutil.ReadServerData(conn); err != nil {
			if e, ok := errors.AsType[wsutil.ClosedError](err); ok {
				return int(e.Code), e.Reason, nil
			}
			return 0, "", err
		}
	}
}
