package gws

import (
	"context"
	"errors"
	"net/http"

	"github.com/lxzan/gws"
)

type bye struct{ gws.BuiltinEventHandler }

func (bye) OnMessage(conn *gws.Conn, msg *gws.Message) {
	defer msg.Close()
	_ = conn.WriteClose(4001, []byte("that was all"))
}

var byes = gws.NewUpgrader(bye{}, nil)

// Bye closes after the first message. It does not wait for the client's answer, because WriteClose
// closes the transport.
func Bye(w http.ResponseWriter, r *http.Request) {
	conn, err := byes.Upgrade(w, r)
	if err != nil {
		return
	}
	conn.ReadLoop()
}

// End says hello, reads to the end, and returns the server's close code and reason.
func End(_ context.Context, url string) (code int, reason string, err error) {
	a := newAnswers()
	conn, _, err := gws.NewClient(a, &gws.ClientOption{Addr: url})
	if err != nil {
		return 0, "", err
	}
	go conn.ReadLoop()
	if err := conn.WriteString("hello"); err != nil {
		return 0, "", err
	}
	for range a.texts {
	}
	err = <-a.ended
	if e, ok := errors.AsType[*gws.CloseError](err); ok {
		return int(e.Code), string(e.Reason), nil
	}
	return 0, "", err
}
