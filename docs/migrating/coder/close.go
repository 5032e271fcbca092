package coder

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"
)

// Bye closes after the first message, and waits until the client has answered. Close waits for 5 s
// at most, and no option changes that.
func Bye(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	if _, _, err := conn.Read(r.Context()); err != nil {
		return
	}
	_ = conn.Close(4001, "that was all")
}

// End says hello, reads to the end, and returns the server's close code and reason.
func End(ctx context.Context, url string) (code int, reason string, err error) {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return 0, "", err
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		return 0, "", err
	}
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			if e, ok := errors.AsType[websocket.CloseError](err); ok {
				return int(e.Code), e.Reason, nil
			}
			return 0, "", err
		}
	}
}
