package gorilla

import (
	"context"
	"time"

	"github.com/gorilla/websocket"
)

// Shout sends each word and collects the answers.
func Shout(ctx context.Context, url string, words ...string) (answers []string, err error) {
	conn, _, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) // a read knows no context
	defer stop()
	for _, word := range words {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(word)); err != nil {
			return nil, err
		}
		_, data, err := conn.ReadMessage()
		if err != nil {
			return nil, err
		}
		answers = append(answers, string(data))
	}
	return answers, goodbye(conn, websocket.CloseNormalClosure, "")
}

// goodbye makes the closing handshake: Close alone would cut the connection.
func goodbye(conn *websocket.Conn, code int, reason string) error {
	deadline := time.Now().Add(5 * time.Second)
	msg := websocket.FormatCloseMessage(code, reason)
	if err := conn.WriteControl(websocket.CloseMessage, msg, deadline); err != nil {
		return err
	}
	conn.SetReadDeadline(deadline)
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			if websocket.IsCloseError(err, code) {
				return nil // the peer has answered
			}
			return err
		}
	}
}
