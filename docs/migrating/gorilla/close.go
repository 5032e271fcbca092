package gorilla

import (
	"context"
	"errors"
	"net/http"

	"github.com/gorilla/websocket"
)

// Bye closes after the first message, and waits until the client has answered.
func Bye(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	if _, _, err := conn.ReadMessage(); err != nil {
		return
	}
	_ = goodbye(conn, 4001, "that was all")
}

// End says hello, reads to the end, and returns the server's close code and reason.
func End(ctx context.Context, url string) (code int, reason string, err error) {
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		return 0, "", err
	}
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			if e, ok := errors.AsType[*websocket.CloseError](err); ok {
				return e.Code, e.Text, nil
			}
			return 0, "", err
		}
	}
}
