package ours

import (
	"context"
	"net/http"

	"github.com/wsstream/wsstream"
)

// Bye closes after the first message, and waits until the client has answered.
var Bye = wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
	if _, err := conn.Readable().Pull(r.Context()); err != nil {
		return err
	}
	return &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4001, Reason: "that was all"}}
}, nil)

// End says hello, reads to the end, and returns the server's close code and reason.
func End(ctx context.Context, url string) (code int, reason string, err error) {
	conn := wsstream.Dial(ctx, url, nil)
	defer conn.CloseNow()
	if err := conn.Writable().Write(ctx, wsstream.Text("hello")); err != nil {
		return 0, "", err
	}
	for _, err := range conn.Readable().All(ctx) {
		if err != nil {
			break // any code but 1000 is an error here
		}
	}
	info, err := conn.Closed().Wait(ctx) // an end without the server's Close is an error here too
	return info.Code, info.Reason, err
}
