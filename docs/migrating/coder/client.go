package coder

import (
	"context"

	"github.com/coder/websocket"
)

// Shout sends each word and collects the answers.
func Shout(ctx context.Context, url string, words ...string) (answers []string, err error) {
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	defer conn.CloseNow()
	for _, word := range words {
		if err := conn.Write(ctx, websocket.MessageText, []byte(word)); err != nil {
			return nil, err
		}
		_, data, err := conn.Read(ctx)
		if err != nil {
			return nil, err
		}
		answers = append(answers, string(data))
	}
	return answers, conn.Close(websocket.StatusNormalClosure, "")
}
