package ours

import (
	"context"

	"github.com/wsstream/wsstream"
)

// Shout sends each word and collects the answers.
func Shout(ctx context.Context, url string, words ...string) (answers []string, err error) {
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	for _, word := range words {
		if err := conn.Writable().Write(ctx, wsstream.Text(word)); err != nil {
			return nil, err
		}
		msg, err := conn.Readable().Pull(ctx)
		if err != nil {
			return nil, err
		}
		answers = append(answers, string(msg.Data))
	}
	return answers, conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
}
